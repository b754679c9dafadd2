"""Runs one of lmlab's commands as far as possible as on Windows: `python without_posix.py train key=value ...`.

Hidden are the modules and functions that only POSIX has. A file that this process has open can be neither removed nor
replaced, a text file must be opened with an encoding, and every module of lmlab is imported.
"""

from __future__ import annotations

import errno
import importlib
import os
import shutil
import signal
import sys
import warnings
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import Any

MODULES = ("fcntl", "termios", "tty", "pty", "resource", "pwd", "grp", "posix", "syslog", "readline", "crypt", "spwd")
# What the standard library has on Unix alone, but for the few names that filelock and Lightning use on Unix.
HIDDEN = {
    os: """O_DIRECTORY O_SYNC WNOHANG chown chroot fchdir fchown fdatasync fork forkpty
        getegid geteuid getgid getgroups getloadavg getpgid getpgrp getpriority getresuid getsid getuid getxattr killpg
        lchown mkfifo mknod nice openpty pathconf posix_fallocate posix_spawn pread pwrite register_at_fork
        sched_getaffinity sched_setaffinity sched_yield sendfile setpgid setsid statvfs sync sysconf tcgetpgrp ttyname
        uname wait3 wait4 fstatvfs""",
    signal: """SIGALRM SIGBUS SIGCHLD SIGCONT SIGHUP SIGPIPE SIGQUIT SIGTSTP SIGUSR2 SIGWINCH
        SIG_BLOCK alarm pause pthread_kill pthread_sigmask setitimer siginterrupt sigpending sigwait""",
}
# Other people's code knows where it runs, and it is on POSIX; so it is imported before anything is hidden.
OTHERS = """hydra.main hydra.compose omegaconf torch torch.utils.tensorboard pytorch_lightning torchmetrics tensorboard
    tokenizers numpy pandas scipy.stats matplotlib.pyplot jinja2 filelock pooch requests tqdm platformdirs yaml
    hydra._internal.core_plugins.basic_launcher hydra._internal.core_plugins.basic_sweeper unittest.mock"""


class _Hides(MetaPathFinder):
    """Says that a module does not exist."""

    def find_spec(self, name: str, path: Any, target: Any = None) -> None:
        if name in MODULES:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def hide() -> None:
    """Hides what Windows lacks."""
    for name in OTHERS.split():
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            if name != error.name:
                raise
    for name in MODULES:
        sys.modules.pop(name, None)
    sys.meta_path.insert(0, _Hides())
    for module, names in HIDDEN.items():
        for name in names.split():
            if hasattr(module, name):
                delattr(module, name)


def keep_open_files() -> None:
    """Lets nobody remove or replace a file that this process has open, as Windows does not."""
    shutil._use_fd_functions = False  # type: ignore[attr-defined]
    for name, places in {"unlink": (0,), "remove": (0,), "replace": (0, 1), "rename": (0, 1)}.items():
        setattr(os, name, _refusing(getattr(os, name), places))


def _refusing(do: Callable[..., None], places: Sequence[int]) -> Callable[..., None]:
    def refuse(*paths: Any, **options: Any) -> None:
        for place in places:
            if os.path.realpath(paths[place]) in _open_files():
                raise PermissionError(errno.EACCES, "is being used (as on Windows)", str(paths[place]))
        do(*paths, **options)

    return refuse


def _open_files() -> set[str]:
    found = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            found.add(os.readlink(descriptor))
        except OSError:  # that of the listing
            continue
    return found


def main() -> None:
    """Runs the command."""
    command, *arguments = sys.argv[1:]
    hide()
    keep_open_files()
    warnings.filterwarnings("error", category=EncodingWarning, module=r"lmlab(\.|$)")
    import lmlab

    package = Path(lmlab.__file__).parent
    for path in sorted(package.rglob("*.py")):
        if path.stem != "__main__":
            parts = path.relative_to(package.parent).with_suffix("").parts
            importlib.import_module(".".join(parts).removesuffix(".__init__"))
    module = importlib.import_module(f"lmlab.{command}")
    sys.argv = [command, *arguments]
    module.main()


if __name__ == "__main__":
    main()
