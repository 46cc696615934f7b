"""`python -P -m trainer --mission DIR [--once] [--period S]`: JSON lines on stdout, everything else on stderr.
`python -P -m trainer evaluate ...`: see `trainer.evaluation.command`; `paced ...`: see `trainer.evaluation.paced`;
`flags FILE`: see `trainer.evaluation.row_flags`; `refit --run ID`: see `trainer.refit_command`.

Ends at end-of-file on stdin when it is a pipe (the station that started it is gone), and at SIGTERM; it may be
killed at any moment. Exit codes: 0 done, 1 failed, 2 wrong use.
"""

from __future__ import annotations

import os
import sys

if __name__ == "__main__":
    # Before numpy is imported. Two threads would fight the station for the second core, and lose time doing it.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
        os.environ[name] = "1"
    if sys.argv[1:2] == ["evaluate"]:
        from trainer.evaluation.command import main as evaluate

        sys.exit(evaluate(sys.argv[2:]))
    if sys.argv[1:2] == ["paced"]:
        from trainer.evaluation.paced import main as paced

        sys.exit(paced(sys.argv[2:]))
    if sys.argv[1:2] == ["flags"]:
        from trainer.evaluation.row_flags import main as flags

        sys.exit(flags(sys.argv[2:]))
    if sys.argv[1:2] == ["refit"]:
        from trainer.refit_command import main as refit

        sys.exit(refit(sys.argv[2:]))
    from trainer.command import main

    sys.exit(main())
