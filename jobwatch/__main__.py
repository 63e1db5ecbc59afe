"""``python -m jobwatch`` is ``jobwatch``."""

import sys

from .cli import main

sys.exit(main())
