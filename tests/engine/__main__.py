"""``python -m tests.engine --kills 60``: workers and NATS servers, killed again and again; see `tests.nats.kills`."""

from __future__ import annotations

import sys

from tests.nats.kills import main

sys.exit(main())
