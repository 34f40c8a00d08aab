"""Admission control: so many samples at a time, and one request that is larger only when it is alone."""

from __future__ import annotations

import pytest

from graft.errors import Overloaded
from service.limits.admission import AdmissionControl


def test_admission_is_limited_and_slots_are_released() -> None:
    admission = AdmissionControl(3)
    for _ in range(2):
        with admission.admit(3), pytest.raises(Overloaded, match="Retry in a second"), admission.admit(1):
            pass
        with pytest.raises(ZeroDivisionError), admission.admit(3):
            raise ZeroDivisionError
    assert admission.sample_count == 0


def test_admission_accepts_one_large_request_on_an_idle_server() -> None:
    admission, admitted = AdmissionControl(1), []
    for _ in range(2):  # the second time as well: its places were released
        with admission.admit(10):
            admitted.append(10)
            full = pytest.raises(Overloaded, match="10 samples are running or queued, this request has 1")
            with full, admission.admit(1):
                admitted.append(1)
    assert admitted == [10, 10]
