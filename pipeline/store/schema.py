"""The tables, as a numbered list of migrations. A migration, once released, is never edited: add the next one."""

from __future__ import annotations

MIGRATIONS: tuple[str, ...] = (
    # 1: the first version
    """
    CREATE TABLE dataset (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL UNIQUE COLLATE NOCASE,
        source TEXT NOT NULL,
        status TEXT NOT NULL CHECK (status IN ('importing', 'ready')),
        report TEXT NOT NULL DEFAULT '{}',
        created_at REAL NOT NULL
    );
    CREATE TABLE image (
        sha256 TEXT PRIMARY KEY,
        width INTEGER NOT NULL,
        height INTEGER NOT NULL,
        format TEXT NOT NULL,
        mode TEXT NOT NULL,
        bytes INTEGER NOT NULL,
        notes TEXT NOT NULL DEFAULT '[]'
    ) WITHOUT ROWID;
    CREATE TABLE record (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        dataset_id INTEGER NOT NULL REFERENCES dataset(id) ON DELETE CASCADE,
        row INTEGER NOT NULL,
        key TEXT NOT NULL,
        type TEXT NOT NULL,
        type_told INTEGER NOT NULL,
        image TEXT,
        turn_count INTEGER NOT NULL,
        content_hash TEXT NOT NULL,
        body TEXT NOT NULL,
        search TEXT NOT NULL
    );
    CREATE INDEX record_dataset ON record(dataset_id, id);
    CREATE INDEX record_image ON record(dataset_id, image);
    CREATE TABLE scorer_key (
        digest TEXT PRIMARY KEY,
        kind TEXT NOT NULL,
        model TEXT NOT NULL,
        adapter TEXT NOT NULL,
        revision TEXT NOT NULL,
        precision TEXT NOT NULL,
        quantization TEXT NOT NULL,
        image_preparation TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE score (
        key TEXT NOT NULL REFERENCES scorer_key(digest),
        record_id INTEGER NOT NULL REFERENCES record(id) ON DELETE CASCADE,
        turn INTEGER NOT NULL,
        candidate INTEGER NOT NULL,
        value REAL,
        reason TEXT NOT NULL DEFAULT '',
        created_at REAL NOT NULL,
        PRIMARY KEY (key, record_id, turn, candidate)
    ) WITHOUT ROWID;
    CREATE TABLE action (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        dataset_id INTEGER NOT NULL REFERENCES dataset(id) ON DELETE CASCADE,
        kind TEXT NOT NULL,
        detail TEXT NOT NULL,
        author TEXT NOT NULL,
        undoes INTEGER REFERENCES action(id),
        created_at REAL NOT NULL
    );
    CREATE INDEX action_dataset ON action(dataset_id, id);
    CREATE TABLE decision (
        action_id INTEGER NOT NULL REFERENCES action(id) ON DELETE CASCADE,
        record_id INTEGER NOT NULL REFERENCES record(id) ON DELETE CASCADE,
        verdict TEXT NOT NULL CHECK (verdict IN ('keep', 'drop', 'clear')),
        PRIMARY KEY (record_id, action_id)
    ) WITHOUT ROWID;
    CREATE TABLE selection (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        dataset_id INTEGER NOT NULL REFERENCES dataset(id) ON DELETE CASCADE,
        name TEXT NOT NULL,
        spec TEXT NOT NULL,
        author TEXT NOT NULL,
        created_at REAL NOT NULL
    );
    CREATE INDEX selection_dataset ON selection(dataset_id, name, id);
    CREATE TABLE rewrite (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        record_id INTEGER NOT NULL REFERENCES record(id) ON DELETE CASCADE,
        turn INTEGER NOT NULL,
        candidate INTEGER NOT NULL,
        part TEXT NOT NULL CHECK (part IN ('question', 'answer')),
        key TEXT NOT NULL,
        body TEXT NOT NULL,
        kept INTEGER NOT NULL,
        created_at REAL NOT NULL,
        UNIQUE (record_id, turn, candidate, part, key)
    );
    CREATE TABLE rewrite_verdict (
        action_id INTEGER NOT NULL REFERENCES action(id) ON DELETE CASCADE,
        rewrite_id INTEGER NOT NULL REFERENCES rewrite(id) ON DELETE CASCADE,
        verdict TEXT NOT NULL CHECK (verdict IN ('accepted', 'rejected', 'edited', 'pending')),
        text TEXT,
        PRIMARY KEY (rewrite_id, action_id)
    ) WITHOUT ROWID;
    CREATE TABLE job (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        kind TEXT NOT NULL,
        lane TEXT NOT NULL,
        dataset_id INTEGER,
        params TEXT NOT NULL,
        priority INTEGER NOT NULL DEFAULT 0,
        state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'done', 'failed', 'cancelled')),
        stage TEXT NOT NULL DEFAULT '',
        message TEXT NOT NULL DEFAULT '',
        done INTEGER NOT NULL DEFAULT 0,
        total INTEGER NOT NULL DEFAULT 0,
        rate REAL NOT NULL DEFAULT 0,
        error TEXT NOT NULL DEFAULT '',
        hint TEXT NOT NULL DEFAULT '',
        result TEXT NOT NULL DEFAULT '{}',
        attempts INTEGER NOT NULL DEFAULT 0,
        cancel_requested INTEGER NOT NULL DEFAULT 0,
        created_at REAL NOT NULL,
        started_at REAL,
        ended_at REAL
    );
    CREATE INDEX job_state ON job(state, lane, priority);
    CREATE TABLE metric (
        job_id INTEGER NOT NULL REFERENCES job(id) ON DELETE CASCADE,
        step INTEGER NOT NULL,
        name TEXT NOT NULL,
        value REAL NOT NULL,
        created_at REAL NOT NULL,
        PRIMARY KEY (job_id, name, step)
    ) WITHOUT ROWID;
    """,
    # 2: what a worker has in hand; deaths without progress are what fails a job, not deaths as such
    """
    CREATE TABLE hazard (
        job_id INTEGER NOT NULL REFERENCES job(id) ON DELETE CASCADE,
        thing TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('in hand', 'suspect', 'aside')),
        deaths INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (job_id, thing)
    ) WITHOUT ROWID;
    ALTER TABLE job ADD COLUMN done_at_start INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE job ADD COLUMN stalls INTEGER NOT NULL DEFAULT 0;
    """,
    # 3: what people say of candidates, what of it teaches, and which scorers they took
    """
    CREATE TABLE rating_item (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        digest TEXT NOT NULL UNIQUE,
        dataset_id INTEGER REFERENCES dataset(id) ON DELETE SET NULL,
        record_id INTEGER REFERENCES record(id) ON DELETE SET NULL,
        turn INTEGER NOT NULL,
        kind TEXT NOT NULL CHECK (kind IN ('question', 'answer')),
        image TEXT,
        image_name TEXT NOT NULL,
        origin TEXT NOT NULL,
        body TEXT NOT NULL,
        created_at REAL NOT NULL
    );
    CREATE INDEX rating_item_dataset ON rating_item(dataset_id, kind, id);
    CREATE INDEX rating_item_record ON rating_item(record_id);
    CREATE INDEX rating_item_name ON rating_item(image_name);
    CREATE TABLE rating (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        item_id INTEGER NOT NULL REFERENCES rating_item(id),
        rater TEXT NOT NULL,
        mode TEXT NOT NULL,
        body TEXT NOT NULL,
        seconds REAL NOT NULL DEFAULT 0,
        retracts INTEGER REFERENCES rating(id),
        created_at REAL NOT NULL
    );
    CREATE INDEX rating_place ON rating(item_id, rater, id);
    CREATE TABLE rating_draft (
        item_id INTEGER NOT NULL REFERENCES rating_item(id),
        rater TEXT NOT NULL,
        body TEXT NOT NULL,
        updated_at REAL NOT NULL,
        PRIMARY KEY (item_id, rater)
    ) WITHOUT ROWID;
    CREATE TABLE teaching_choice (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        origin TEXT NOT NULL,
        teaches INTEGER NOT NULL,
        author TEXT NOT NULL,
        created_at REAL NOT NULL
    );
    CREATE TABLE contradiction_choice (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        first INTEGER NOT NULL REFERENCES rating(id),
        later INTEGER NOT NULL REFERENCES rating(id),
        choice TEXT NOT NULL CHECK (choice IN ('both', 'first', 'later', 'open')),
        replaced INTEGER REFERENCES rating(id),
        author TEXT NOT NULL,
        created_at REAL NOT NULL
    );
    CREATE TABLE scorer_verdict (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        kind TEXT NOT NULL CHECK (kind IN ('question', 'answer')),
        scorer TEXT NOT NULL,
        revision TEXT NOT NULL,
        verdict TEXT NOT NULL CHECK (verdict IN ('adopted', 'kept', 'discarded')),
        author TEXT NOT NULL,
        created_at REAL NOT NULL,
        undoes INTEGER REFERENCES scorer_verdict(id),
        trial INTEGER
    );
    CREATE TABLE text_score (
        key TEXT NOT NULL REFERENCES scorer_key(digest),
        text TEXT NOT NULL,
        value REAL,
        reason TEXT NOT NULL DEFAULT '',
        created_at REAL NOT NULL,
        PRIMARY KEY (key, text)
    ) WITHOUT ROWID;
    CREATE TABLE tried_key (
        dataset_id INTEGER NOT NULL REFERENCES dataset(id) ON DELETE CASCADE,
        key TEXT NOT NULL REFERENCES scorer_key(digest),
        PRIMARY KEY (dataset_id, key)
    ) WITHOUT ROWID;
    CREATE INDEX score_record ON score(record_id);
    CREATE INDEX decision_action ON decision(action_id);
    CREATE INDEX rewrite_verdict_action ON rewrite_verdict(action_id);
    """,
    # 4: sets of a million records: counts that needn't be counted, marks on whole filters, saved views
    """
    ALTER TABLE dataset ADD COLUMN record_count INTEGER NOT NULL DEFAULT 0;
    UPDATE dataset SET record_count = (SELECT count(*) FROM record WHERE record.dataset_id = dataset.id);
    CREATE TABLE score_version (
        dataset_id INTEGER NOT NULL REFERENCES dataset(id) ON DELETE CASCADE,
        key TEXT NOT NULL REFERENCES scorer_key(digest),
        version INTEGER NOT NULL,
        PRIMARY KEY (dataset_id, key)
    ) WITHOUT ROWID;
    INSERT INTO score_version SELECT DISTINCT r.dataset_id, s.key, 1 FROM score s JOIN record r ON r.id = s.record_id;
    CREATE TABLE decision_set (
        action_id INTEGER NOT NULL REFERENCES action(id) ON DELETE CASCADE,
        verdict TEXT NOT NULL CHECK (verdict IN ('keep', 'drop', 'clear')),
        size INTEGER NOT NULL,
        ids BLOB NOT NULL,
        PRIMARY KEY (action_id)
    ) WITHOUT ROWID;
    CREATE TABLE saved_view (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        dataset_id INTEGER NOT NULL REFERENCES dataset(id) ON DELETE CASCADE,
        name TEXT NOT NULL,
        body TEXT,
        author TEXT NOT NULL,
        created_at REAL NOT NULL
    );
    CREATE INDEX saved_view_dataset ON saved_view(dataset_id, name, id);
    CREATE INDEX score_without_number ON score(key, record_id) WHERE value IS NULL;
    """,
)
