"""The circuit, compiled: the numbers of the reference simulator, about a hundred times as fast.

numba compiles the kernels on this machine and keeps them on disk; nothing else is needed. The
speed comes from four ideas, each derived beside its code:

=============  ==================================================================================
`lanes`        one value of a kernel holds a register full of samples
`program`      a circuit becomes permutations with phases, and layers of RY
`gates`        gates are undone on the way back, so that no state in between is ever stored
`readout`      the last rotation turns three numbers per qubit instead of 2**n amplitudes
=============  ==================================================================================

`weights` prepares what the whole batch shares, `kernels` puts the pieces together, `machine_code`
compiles them and keeps the result, `engine` makes a torch operation of them, `transforms` takes it
into `torch.compile` and `torch.func`, and `resources` owns threads and memory.
"""

try:
    import numba
except ImportError as error:
    raise ImportError(
        f"the compiled backend needs numba, which is missing ({error}): pip install numba"
    ) from error
if numba.config.DISABLE_JIT:
    raise ImportError("the compiled backend needs numba, which NUMBA_DISABLE_JIT=1 switches off")

from vqvae_lib.quantum.compiled.engine import Compiled, warm_up
from vqvae_lib.quantum.compiled.resources import release_scratch

__all__ = ["Compiled", "release_scratch", "warm_up"]
