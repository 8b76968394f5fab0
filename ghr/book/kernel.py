"""What the press puts into a chapter's kernel: a listener that notes which checkpoints are loaded, and bars of text.

An extension of IPython: the press names it on the kernel's command line, so that no chapter has a word about it.
"""

import os
import sys

import tqdm.auto
import tqdm.std

tqdm.auto.tqdm = tqdm.std.tqdm  # bars as widgets would reach no terminal; those who import it later get this one

from ghr.book import DEPFILE  # noqa: E402


def load_ipython_extension(shell) -> None:
    """Appends the path of every checkpoint that `ghr.runs.load` reads to the file that $GHR_DEPFILE names.

    Args:
        shell: IPython's.
    """
    depfile = open(os.environ[DEPFILE], "a", buffering=1)  # noqa: SIM115 (for as long as the kernel lives)

    def listen(event: str, arguments: tuple) -> None:
        if event == "ghr.load":
            depfile.write(f"{arguments[0]}\n")

    sys.addaudithook(listen)
