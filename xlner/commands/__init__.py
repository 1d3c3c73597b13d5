"""The commands, one module each; heavy imports happen only inside the functions."""

import signal
import sys
from pathlib import PurePath

SCRIPTS = frozenset(
    {
        "run_pipeline",
        "run_stage",
        "inspect_labels",
        "align_words",
        "project_labels",
        "tag_text",
        "export_dataset",
        "trim_encoder",
    }
)
"""The console scripts; a test compares them with pyproject.toml."""

# Ctrl-C while a command is loaded, before it can tell anything, ends it without a traceback. What
# it starts (processes that are spawned load its script under another name) is left as it is.
if (
    PurePath(getattr(sys.modules["__main__"], "__file__", None) or "").stem in SCRIPTS
    and signal.getsignal(signal.SIGINT) is signal.default_int_handler
):
    signal.signal(signal.SIGINT, signal.SIG_DFL)
