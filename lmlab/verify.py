"""`python -m lmlab.verify`: a run's figures computed again by other means, before they are handed in."""

from __future__ import annotations

# ruff: noqa: E402  (the signals are owned before anything that takes time is imported)
from lmlab import signals

signals.own(__name__)

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lmlab.config.settings import VerifySettings


def verify(settings: VerifySettings) -> None:
    """Prints a line for each thing: ``ok``, ``wrong``, or ``unknown`` for what was not checked.

    Raises:
        UserError: something is wrong.
    """
    from lmlab.command_lines import for_shell
    from lmlab.config.stored import check_trust
    from lmlab.errors import UserError
    from lmlab.layout import one_line
    from lmlab.runs.discovery import find_run
    from lmlab.runs.formatting import plural
    from lmlab.terminal import fitted

    folder = find_run(settings.run, output_dir=settings.output_dir, checkpoint=settings.checkpoint)
    check_trust(folder)
    from lmlab.verification.run import checks  # imports torch: after what can go wrong without it

    print(fitted(f"{for_shell([str(folder)])}, {settings.checkpoint}.ckpt"))
    found = []
    for check in checks(folder, settings.checkpoint):
        print(fitted(one_line(str(check))), flush=True)
        found.append(check)
    wrong = [check.name for check in found if check.verdict == "wrong"]
    made = sum(check.verdict != "unknown" for check in found)
    if wrong:
        raise UserError("run", folder, f"{len(wrong)} of {made} checks failed: {'; '.join(wrong)}", "")
    left = len(found) - made
    what = f"; {'the line' if left == 1 else f'the {left} lines'} with unknown: not checked" if left else ""
    print(fitted(f"nothing is wrong: {plural(made, 'check')} held{what}"))


def main() -> None:
    """The command."""
    from lmlab.config.command import composed_command
    from lmlab.config.command_checks import check_checkpoint
    from lmlab.config.settings import VerifySettings

    def check(settings: VerifySettings) -> None:
        check_checkpoint(settings.checkpoint)

    composed_command(
        "verify", VerifySettings, check, verify, if_interrupted="not all was checked; the same command begins anew"
    )


if __name__ == "__main__":
    main()
