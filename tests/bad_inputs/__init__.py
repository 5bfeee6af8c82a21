"""Bad values thrown at every argument of every public callable.

None, text, NumPy's odd dtypes, wrong shapes, other devices, nan, numbers beyond all memory: what
comes by accident, or from another library. Each must be refused in one sentence that names the
argument, or be read as everybody would read it. An error from within torch or NumPy ("inner
traceback") and a bad value that passes ("accepted") fail the test of that callable.

Tables of valid calls
---------------------
``calls/<module>.py`` holds a table for the callables of ``vqvae_lib.<module>``; the modules of a
package may have tables of their own: ``calls/quantum_compiled.py`` is that of
``vqvae_lib.quantum.compiled``, and ``calls/quantum.py`` holds the rest of ``vqvae_lib.quantum``.
Keys are ``function``, ``Class`` (its constructor) and ``Class.method``::

    CALLS = {
        "mse": Call(lambda: {"x": normal(5, 3), "x_hat": normal(5, 3, seed=1)}),
        "VAE.loss": Call(
            lambda: {"x": grey(5, 6), "K": 2, "generator": generator()},
            on=small_vae,  # makes the object whose method it is
            accepts={"K": {"zero": "none are drawn"}, "x": {"one axis more, empty": "any batch"}},
        ),
    }
    RESULTS = {"Scores"}  # records that only the library makes: their constructors take no input

The keyword arguments are those of a valid, fast call with **all** parameters of the signature, each
with a value that is not None; they are made anew for each bad value. Several calls, for arguments
that exclude one another, go in a list. Then, if there is need:

``kinds={"argument": "count"}``
    What an argument is, where its valid value does not tell (see `catalogue.KINDS`).
``accepts={"argument": {"label, label": "reason"}}``
    Bad values that are right here, by the labels that the report prints, each with the reason.
``refuses={"argument": {"label": "reason"}}``
    Friendly values that cannot be converted here.
``named={"argument": "word"}``
    The word (a regular expression) that stands in the error for the argument, if not its name.
``skip={"argument": "reason"}``
    An argument at which nothing is thrown.
``within=context_manager``
    What the call needs around it, such as a folder of its own.

None of these is needed for: None where it is the default; nan, inf and huge numbers (these must be
refused, or give finite results); friendly values, which must give what their plain form gives.

For quick work::

    python -m tests.bad_inputs vqvae_lib.metrics          # counts, and each failure in one line
    python -m tests.bad_inputs vqvae_lib.metrics.mse -v   # one callable, with its tracebacks
"""
