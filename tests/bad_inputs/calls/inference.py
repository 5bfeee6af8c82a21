"""Valid calls of `vqvae_lib.inference`."""

from tests.bad_inputs.attack import Call

VALUES = [0.3, -0.1, 0.8, 0.4, 0.2, 0.6]
ANY = {"an item: zero, an item: negative, an item: huge": "a difference may be any number"}
RATIO = {"zero": "units that share nothing", "huge": "an interval as wide as that"}


def units(**more: object) -> dict[str, object]:
    return {"values": VALUES, "test_to_train": 0.2, **more}


CALLS = {
    "estimate_difference": Call(
        lambda: {"differences": VALUES, "test_to_train": 0.2, "family_size": 3},
        accepts={"differences": ANY, "test_to_train": RATIO},
    ),
    "t_interval": Call(units, accepts={"values": ANY, "test_to_train": RATIO}),
    "t_test": Call(units, accepts={"values": ANY, "test_to_train": RATIO}),
    "sign_flip_test": Call(lambda: {"values": VALUES}, accepts={"values": ANY}),
    "detectable_difference": Call(
        lambda: units(level=0.05), accepts={"values": ANY, "test_to_train": RATIO}
    ),
    "holm": Call(
        lambda: {"p": {"one": 0.01, "two": 0.2}},
        accepts={
            "p": {
                "empty": "a family of no tests",
                "a key that is no text": "any name",
                "an item: zero": "a p of 0",
            }
        },
    ),
}

RESULTS = {"Difference"}
