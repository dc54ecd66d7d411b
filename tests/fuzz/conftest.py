from __future__ import annotations

import drawn_inputs  # noqa: F401  (registers the profile of the lane `fuzz`)
