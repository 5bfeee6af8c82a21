"""The words that people read, in one message catalogue.

Whatever a widget, a check or a derivation says passes through `_`, so that an edition in another
language needs a catalogue but no code. English is the source and the default. Another language is
chosen by name (`set_language("zh_CN")`, or the environment variable VQVAE_LANGUAGE) and never
guessed from the machine's locale, since a notebook's outputs must not depend on who runs it.
"""

import gettext
import os
from pathlib import Path

__all__ = ["_", "set_language"]

DOMAIN = "vqvae_lib"
LOCALE = Path(__file__).parent / "locale"

_translation: gettext.NullTranslations = gettext.NullTranslations()


def set_language(language: str, *, folder: Path = LOCALE) -> None:
    """Set the language of all messages from here on.

    Parameters
    ----------
    language : str
        `"en"` for the source texts, or the name of a catalogue, such as `"zh_CN"`.
    folder : Path
        The folder of the catalogues, `<language>/LC_MESSAGES/vqvae_lib.mo`.

    Raises
    ------
    FileNotFoundError
        If there is no catalogue of that name.
    """
    global _translation
    if language == "en":
        _translation = gettext.NullTranslations()
        return
    try:
        _translation = gettext.translation(DOMAIN, folder, languages=[language])
    except FileNotFoundError:
        raise FileNotFoundError(
            f"language={language!r}: no catalogue {language}/LC_MESSAGES/{DOMAIN}.mo in {folder}"
        ) from None


def _(message: str) -> str:
    """Translate a message into the chosen language."""
    return _translation.gettext(message)


set_language(os.environ.get("VQVAE_LANGUAGE", "en"))
