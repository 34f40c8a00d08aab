"""Serving: bundle -> answers over HTTP, and the Python client."""

from service.calls import Candidate, Prediction, Tags, Value
from service.client import AsyncClient, Client

__all__ = ["AsyncClient", "Candidate", "Client", "Prediction", "Tags", "Value"]
