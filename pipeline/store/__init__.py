"""What a workspace remembers: one SQLite file, one class a noun.

    store = Store(Workspace.open(folder))
    store.datasets.get("demo"); store.records.page(dataset_id, text="cat"); store.scores.table(dataset_id, q, a)

Facts are appended, decisions are folds over actions; undo is one more action.
"""

from __future__ import annotations

from pipeline.store.actions import Actions
from pipeline.store.database import Database
from pipeline.store.datasets import Dataset, Datasets
from pipeline.store.derived import Derived
from pipeline.store.hazards import Hazards
from pipeline.store.jobs import Jobs
from pipeline.store.preference_files import PreferenceFiles
from pipeline.store.ratings import Ratings
from pipeline.store.records import RecordFilter, Records
from pipeline.store.rewrites import Rewrites
from pipeline.store.saved_views import SavedViews
from pipeline.store.scorer_verdicts import ScorerVerdicts
from pipeline.store.scores import Scores, ScoreTable
from pipeline.store.selections import Selections, StoredSelection
from pipeline.store.text_scores import TextScores
from pipeline.workspace import Workspace

__all__ = ["Store", "Dataset", "RecordFilter", "ScoreTable", "StoredSelection"]


class Store:
    """All tables of one workspace. Safe to share between threads; open one a process."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.database = Database(workspace.database)
        self.derived = Derived(self.database, workspace.derived_dir)
        self.datasets = Datasets(self.database, workspace.derived_dir)
        self.records = Records(self.database)
        self.scores = Scores(self.database, self.derived)
        self.actions = Actions(self.database)
        self.selections = Selections(self.database)
        self.saved_views = SavedViews(self.database)
        self.rewrites = Rewrites(self.database)
        self.jobs = Jobs(self.database)
        self.hazards = Hazards(self.database)
        self.ratings = Ratings(self.database)
        self.scorer_verdicts = ScorerVerdicts(self.database)
        self.text_scores = TextScores(self.database)
        self.preference_files = PreferenceFiles(self.database)

    def close(self) -> None:
        """Close this thread's connection."""
        self.database.close()
        self.hazards.close()
