"""Which package of ours may import which: the law that tests/test_architecture.py keeps and the docs show."""

from __future__ import annotations

PACKAGES = ("graft", "zoo", "finetune", "service")
OURS = {  # package of ours -> those of ours that it may import
    "graft": set(),
    "zoo": {"graft"},
    "finetune": {"graft", "zoo"},
    "service": {"graft"},
}
