"""Where jobs are evaluated: serial (in this process) or Ray, behind one contract. Nothing heavy is imported here."""

from evonet.workers.base import Evaluate, OnAttempt, Workers, WorkersSettings
from evonet.workers.make import make_workers

__all__ = ["Evaluate", "OnAttempt", "Workers", "WorkersSettings", "make_workers"]
