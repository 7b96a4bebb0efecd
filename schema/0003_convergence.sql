-- What every server of the NATS system is known to hold.

-- A server is (cluster, name); its id is one incarnation and changes at each start. Known ones are
-- remembered while they are away, and across restarts of natsid.
CREATE TABLE servers (
	seq INTEGER PRIMARY KEY,
	cluster TEXT NOT NULL, -- '': none
	name TEXT NOT NULL CHECK (name <> ''),
	server_id TEXT NOT NULL CHECK (server_id <> ''), -- of the newest incarnation
	incarnation INTEGER NOT NULL DEFAULT 1, -- grows with each new server_id, and when it was missing
	version TEXT NOT NULL DEFAULT '',
	resolver TEXT NOT NULL DEFAULT 'unknown' CHECK (resolver IN ('unknown', 'full', 'cache')),
	trust_incarnation INTEGER NOT NULL DEFAULT 0, -- whose operators server_trust has
	checked_incarnation INTEGER NOT NULL DEFAULT 0, -- on which all accounts were looked at
	first_seen INTEGER NOT NULL, -- ms
	since INTEGER NOT NULL, -- this incarnation was first seen
	last_seen INTEGER NOT NULL, -- not newer than a minute while it answers
	missing_since INTEGER NOT NULL DEFAULT 0, -- 0: it answers
	absent INTEGER NOT NULL DEFAULT 0 CHECK (absent IN (0, 1)), -- missing for so long that nothing waits for it
	UNIQUE (cluster, name)
) STRICT;

INSERT INTO servers (cluster, name, server_id, first_seen, since, last_seen, missing_since)
	SELECT cluster, name, 'unknown', seen, seen, seen, seen FROM rotation_servers;
DROP TABLE rotation_servers;

-- The operators whose accounts a server takes: identity and signing keys, as it says itself.
CREATE TABLE server_trust (
	server INTEGER NOT NULL REFERENCES servers (seq) ON DELETE CASCADE,
	operator_key BLOB NOT NULL CHECK (length(operator_key) = 32),
	PRIMARY KEY (server, operator_key)
) STRICT, WITHOUT ROWID;

CREATE TABLE account_servers (
	account INTEGER NOT NULL REFERENCES accounts (seq) ON DELETE CASCADE,
	server INTEGER NOT NULL REFERENCES servers (seq) ON DELETE CASCADE,
	generation INTEGER NOT NULL DEFAULT 0, -- ours, that the server was seen to hold; 0: none
	incarnation INTEGER NOT NULL DEFAULT 0, -- of the server, at that time
	proven_at INTEGER NOT NULL DEFAULT 0, -- ms
	tried_at INTEGER NOT NULL DEFAULT 0, -- ms; 0: the last try did not fail
	words TEXT NOT NULL DEFAULT '', -- why it failed, in the server's words
	PRIMARY KEY (account, server)
) STRICT, WITHOUT ROWID;

-- Which servers are not known to hold what is wanted. Absent ones are not waited for.
CREATE VIEW unconfirmed AS
	SELECT p.account AS account, s.seq AS server, s.name AS name, s.missing_since AS missing_since
	FROM account_publish p CROSS JOIN servers s
	LEFT JOIN account_servers c ON c.account = p.account AND c.server = s.seq
	WHERE s.absent = 0 AND (c.generation IS NULL OR c.generation < p.generation OR c.incarnation < s.incarnation);

-- What is not proven yet, tombstones of deleted accounts too: what nats_publish_queue shows.
CREATE VIEW publish_queue AS
	SELECT p.account AS seq, a.version AS version, a.id AS id, a.public_key AS public_key, a.name AS name,
		a.deleted AS deleted, a.created AS created, a.updated AS updated
	FROM account_publish p JOIN accounts a ON a.seq = p.account
	WHERE p.generation > p.proven_generation OR EXISTS (SELECT 1 FROM unconfirmed u WHERE u.account = p.account);

-- How the natsid that serves stands to NATS, as it wrote down last; no row: it never did.
CREATE TABLE standing (
	id INTEGER PRIMARY KEY CHECK (id = 1),
	connected INTEGER NOT NULL CHECK (connected IN (0, 1)),
	words TEXT NOT NULL, -- why nothing is pushed, or can be proven; '': nothing is in the way
	since INTEGER NOT NULL -- ms
) STRICT;

-- A server holds a JWT of the account that natsid must not overwrite unasked.
CREATE TABLE quarantine (
	account INTEGER PRIMARY KEY REFERENCES accounts (seq) ON DELETE CASCADE,
	cause TEXT NOT NULL CHECK (cause IN ('newer', 'foreign')), -- ours but ahead of this database; another hand's
	server TEXT NOT NULL DEFAULT '', -- its name; '': one of several, it is not known which
	jwt TEXT NOT NULL,
	found_at INTEGER NOT NULL -- ms
) STRICT;

-- Seconds that a person let the JWTs of the account be dated ahead of the clock.
ALTER TABLE account_publish ADD COLUMN iat_offset INTEGER NOT NULL DEFAULT 0 CHECK (iat_offset >= 0);

-- Hashes (32 bytes each, at most 8, the newest first) of JWTs that a person overruled: what a server shows of them is to be
-- overwritten. Null once all servers are known to hold what is wanted.
ALTER TABLE account_publish ADD COLUMN overruled BLOB CHECK
	(overruled IS NULL OR (length(overruled) BETWEEN 32 AND 256 AND length(overruled) % 32 = 0));

-- Where servers differed from what is recorded here.
CREATE TABLE drift (
	seq INTEGER PRIMARY KEY,
	server INTEGER REFERENCES servers (seq) ON DELETE CASCADE, -- null: one of several, it is not known which
	account_key TEXT NOT NULL, -- A...
	kind TEXT NOT NULL CHECK (kind IN ('foreign', 'missing', 'older', 'different')),
	found_at INTEGER NOT NULL, -- ms
	repaired_at INTEGER NOT NULL DEFAULT 0 -- ms; 0: not (yet)
) STRICT;
CREATE UNIQUE INDEX drift_open ON drift (account_key, coalesce(server, 0), kind) WHERE repaired_at = 0;
CREATE INDEX drift_server ON drift (server);

-- What an adopted JWT of a server refused is refused for good.
CREATE TABLE revocations_3 (
	seq INTEGER PRIMARY KEY,
	account INTEGER NOT NULL REFERENCES accounts (seq),
	public_key BLOB NOT NULL CHECK (length(public_key) IN (0, 32)), -- of the user; empty: of all ("*")
	cause TEXT NOT NULL CHECK (cause IN
		('suspend', 'delete', 'move', 'regenerate', 'revoke', 'narrow', 'all', 'adopted')),
	at INTEGER NOT NULL, -- unix seconds: JWTs issued up to then are refused
	expires INTEGER NOT NULL DEFAULT 0, -- unix seconds after which nothing it matches can live; 0: never
	key_set INTEGER NOT NULL DEFAULT 0, -- newest key set that signed what it refuses; 0: not known
	created INTEGER NOT NULL,
	UNIQUE (account, public_key, cause)
) STRICT;
INSERT INTO revocations_3 (seq, account, public_key, cause, at, expires, key_set, created)
	SELECT seq, account, public_key, cause, at, expires, key_set, created FROM revocations;
DROP TABLE revocations;
ALTER TABLE revocations_3 RENAME TO revocations;

-- Deleted accounts that are being taken off the servers. From the mark on nothing of them is pushed any more; when no
-- server shows them any longer, all their rows go.
CREATE TABLE burials (
	account INTEGER PRIMARY KEY REFERENCES accounts (seq) ON DELETE CASCADE,
	since INTEGER NOT NULL, -- ms
	removed_at INTEGER NOT NULL DEFAULT 0 -- ms; all servers said that they removed it; 0: not yet
) STRICT;
CREATE INDEX accounts_deleted ON accounts (deleted) WHERE deleted > 0;

-- A database that was restored from a backup does not know which JWTs left since.
ALTER TABLE users ADD COLUMN unknown_set INTEGER NOT NULL DEFAULT 0; -- newest key set that may have signed one that
	-- left and is not known of; 0: all are known. Goes with issued_until, when all that left is taken back
