-- The tables of natsid. Times are integer milliseconds since 1970 (UTC) unless a comment says
-- otherwise; public keys are the 32 raw bytes of the nkey; ids are 15 characters [a-z0-9].

CREATE TABLE settings (
	key TEXT PRIMARY KEY NOT NULL, -- 'database_uuid'
	value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Rows of the large tables, so that a page of a list can tell the total without counting them. The
-- triggers at the end of this file keep them, for every way that a row can come or go.
CREATE TABLE counters (
	name TEXT PRIMARY KEY NOT NULL, -- table
	total INTEGER NOT NULL CHECK (total >= 0) -- rows that the API sees
) STRICT, WITHOUT ROWID;
INSERT INTO counters (name, total) VALUES ('accounts', 0), ('users', 0);

-- Key slots: the root key, wrapped once for each way to open the vault.
CREATE TABLE vault_slots (
	seq INTEGER PRIMARY KEY,
	kind TEXT NOT NULL CHECK (kind IN ('file')), -- what the wrapping key comes from
	key_id BLOB NOT NULL CHECK (length(key_id) = 16), -- fingerprint of the wrapping key
	wrapped BLOB NOT NULL CHECK (length(wrapped) = 72), -- nonce, ciphertext, tag
	created INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX vault_slots_file ON vault_slots (kind) WHERE kind = 'file';

-- Data keys, wrapped under the root key. The newest seals; older ones still open.
CREATE TABLE vault_keys (
	id INTEGER PRIMARY KEY CHECK (id BETWEEN 1 AND 4294967295), -- the id in each sealed seed
	wrapped BLOB NOT NULL CHECK (length(wrapped) = 72), -- nonce, ciphertext, tag
	created INTEGER NOT NULL
) STRICT;

-- Sealed seeds. The four columns before the key are bound into the seal.
CREATE TABLE vault (
	seq INTEGER PRIMARY KEY,
	owner_table TEXT NOT NULL, -- whose key it is: table,
	owner_column TEXT NOT NULL, -- column,
	owner_id TEXT NOT NULL, -- and record id
	role INTEGER NOT NULL, -- nkey prefix byte: 0 account, 112 operator, 160 user
	public_key BLOB NOT NULL UNIQUE CHECK (length(public_key) = 32),
	sealed BLOB NOT NULL CHECK (length(sealed) = 77) -- v1, data key id, nonce, ciphertext, tag
) STRICT;

CREATE TABLE accounts (
	seq INTEGER PRIMARY KEY,
	id TEXT NOT NULL UNIQUE CHECK (length(id) = 15),
	name TEXT NOT NULL CHECK (name <> ''),
	description TEXT NOT NULL DEFAULT '',
	public_key BLOB NOT NULL UNIQUE CHECK (length(public_key) = 32),
	active INTEGER NOT NULL DEFAULT 1 CHECK (active IN (0, 1)), -- 0: suspended, a tombstone is minted
	is_system INTEGER NOT NULL DEFAULT 0 CHECK (is_system IN (0, 1)), -- the system account
	max_connections INTEGER NOT NULL DEFAULT -1 CHECK (max_connections >= -1),
	max_subscriptions INTEGER NOT NULL DEFAULT -1 CHECK (max_subscriptions >= -1),
	max_data INTEGER NOT NULL DEFAULT -1 CHECK (max_data >= -1),
	max_payload INTEGER NOT NULL DEFAULT -1 CHECK (max_payload >= -1),
	max_jetstream_disk_storage INTEGER NOT NULL DEFAULT 0 CHECK (max_jetstream_disk_storage >= -1),
	max_jetstream_memory_storage INTEGER NOT NULL DEFAULT 0 CHECK (max_jetstream_memory_storage >= -1),
	deleted INTEGER NOT NULL DEFAULT 0, -- when it was deleted; the row stays for its tombstone
	version INTEGER NOT NULL DEFAULT 1,
	created INTEGER NOT NULL,
	updated INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX accounts_name ON accounts (name) WHERE deleted = 0;
CREATE UNIQUE INDEX accounts_system ON accounts (is_system) WHERE is_system = 1;

-- What is wanted on the servers, and what is proven there; apart from accounts, since it changes often.
CREATE TABLE account_publish (
	account INTEGER PRIMARY KEY REFERENCES accounts (seq),
	generation INTEGER NOT NULL DEFAULT 1, -- grows with each change of what is minted
	urgent_generation INTEGER NOT NULL DEFAULT 0, -- newest generation that must not wait for the debounce
	minted_generation INTEGER NOT NULL DEFAULT 0, -- generation that the bytes of account_jwt say
	proven_generation INTEGER NOT NULL DEFAULT 0, -- generation that all servers were seen to hold
	last_iat INTEGER NOT NULL DEFAULT 0, -- unix seconds; the next JWT has a later one
	minted_at INTEGER NOT NULL DEFAULT 0, -- wall clock at the last mint, to notice a clock set back
	claims_hash BLOB CHECK (claims_hash IS NULL OR length(claims_hash) = 32), -- of the claims without times
	state TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'partial', 'refused', 'held')), -- while not proven
	attempts INTEGER NOT NULL DEFAULT 0, -- failed tries since the last proof
	message TEXT NOT NULL DEFAULT '' -- why it is not proven yet, in the server's words
) STRICT;
CREATE INDEX account_publish_open ON account_publish (account) WHERE generation > proven_generation;

-- The newest minted bytes of each account.
CREATE TABLE account_jwt (
	account INTEGER PRIMARY KEY REFERENCES accounts (seq),
	jwt TEXT NOT NULL
) STRICT;

CREATE TABLE operator (
	seq INTEGER PRIMARY KEY CHECK (seq = 1), -- one operator
	id TEXT NOT NULL UNIQUE CHECK (length(id) = 15),
	name TEXT NOT NULL CHECK (name <> ''),
	public_key BLOB NOT NULL UNIQUE CHECK (length(public_key) = 32), -- identity key
	system_account INTEGER NOT NULL REFERENCES accounts (seq),
	jwt TEXT NOT NULL, -- self-signed, newest
	version INTEGER NOT NULL DEFAULT 1,
	created INTEGER NOT NULL,
	updated INTEGER NOT NULL
) STRICT;

CREATE TABLE roles (
	seq INTEGER PRIMARY KEY,
	id TEXT NOT NULL UNIQUE CHECK (length(id) = 15),
	name TEXT NOT NULL UNIQUE CHECK (name <> ''),
	description TEXT NOT NULL DEFAULT '',
	is_default INTEGER NOT NULL DEFAULT 0 CHECK (is_default IN (0, 1)), -- role of users that name none
	publish_permissions TEXT NOT NULL, -- JSON array of subjects; [] allows nothing
	subscribe_permissions TEXT NOT NULL, -- the same; entries may be "subject queue"
	publish_deny_permissions TEXT NOT NULL DEFAULT '[]',
	subscribe_deny_permissions TEXT NOT NULL DEFAULT '[]',
	allow_response INTEGER NOT NULL DEFAULT 0 CHECK (allow_response IN (0, 1)),
	allow_response_max INTEGER NOT NULL DEFAULT 0 CHECK (allow_response_max >= -1),
	allow_response_ttl INTEGER NOT NULL DEFAULT 0 CHECK (allow_response_ttl >= 0), -- seconds
	max_subscriptions INTEGER NOT NULL DEFAULT -1 CHECK (max_subscriptions >= -1),
	max_data INTEGER NOT NULL DEFAULT -1 CHECK (max_data >= -1),
	max_payload INTEGER NOT NULL DEFAULT -1 CHECK (max_payload >= -1),
	version INTEGER NOT NULL DEFAULT 1,
	created INTEGER NOT NULL,
	updated INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX roles_default ON roles (is_default) WHERE is_default = 1;

-- Keys that sign: the operator's (account NULL), an account's plain one (role NULL), and one scoped
-- key for each role that an account uses.
CREATE TABLE signing_keys (
	seq INTEGER PRIMARY KEY,
	id TEXT NOT NULL UNIQUE CHECK (length(id) = 15),
	account INTEGER REFERENCES accounts (seq),
	role INTEGER REFERENCES roles (seq),
	public_key BLOB NOT NULL UNIQUE CHECK (length(public_key) = 32),
	created INTEGER NOT NULL,
	CHECK (account IS NOT NULL OR role IS NULL)
) STRICT;
CREATE UNIQUE INDEX signing_keys_scope ON signing_keys (account, role) WHERE role IS NOT NULL;
CREATE INDEX signing_keys_account ON signing_keys (account);
CREATE INDEX signing_keys_role ON signing_keys (role) WHERE role IS NOT NULL;

CREATE TABLE users (
	seq INTEGER PRIMARY KEY,
	id TEXT NOT NULL UNIQUE CHECK (length(id) = 15),
	account INTEGER NOT NULL REFERENCES accounts (seq),
	role INTEGER NOT NULL REFERENCES roles (seq),
	nats_username TEXT NOT NULL CHECK (nats_username <> ''),
	full_name TEXT NOT NULL DEFAULT '',
	description TEXT NOT NULL DEFAULT '',
	public_key BLOB NOT NULL UNIQUE CHECK (length(public_key) = 32),
	active INTEGER NOT NULL DEFAULT 1 CHECK (active IN (0, 1)), -- 0: suspended
	iat INTEGER NOT NULL, -- unix seconds of the JWT in force
	issued_at INTEGER NOT NULL DEFAULT 0, -- when a JWT first left the daemon; 0: never, so none to revoke
	email TEXT CHECK (email <> ''), -- NULL for devices
	email_visibility INTEGER NOT NULL DEFAULT 0 CHECK (email_visibility IN (0, 1)),
	verified INTEGER NOT NULL DEFAULT 0 CHECK (verified IN (0, 1)),
	password_hash TEXT NOT NULL DEFAULT '', -- Argon2id, or '' for no login
	token_key TEXT NOT NULL DEFAULT '', -- ends all sessions when it changes
	version INTEGER NOT NULL DEFAULT 1,
	created INTEGER NOT NULL,
	updated INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX users_name ON users (account, nats_username);
CREATE UNIQUE INDEX users_email ON users (email) WHERE email IS NOT NULL;
CREATE INDEX users_role ON users (role);

-- Why a key of an account is refused. The minted entry is the latest of its causes; suspension is
-- lifted by deleting its row. (That a tombstone refuses every key follows from the account's row.)
CREATE TABLE revocations (
	seq INTEGER PRIMARY KEY,
	account INTEGER NOT NULL REFERENCES accounts (seq),
	public_key BLOB NOT NULL CHECK (length(public_key) = 32), -- of the user
	cause TEXT NOT NULL CHECK (cause IN ('suspend', 'delete', 'move')),
	at INTEGER NOT NULL, -- unix seconds: JWTs issued up to then are refused
	expires INTEGER NOT NULL DEFAULT 0, -- unix seconds after which nothing it matches can live; 0: never
	created INTEGER NOT NULL,
	UNIQUE (account, public_key, cause)
) STRICT;

CREATE TABLE superusers (
	seq INTEGER PRIMARY KEY,
	id TEXT NOT NULL UNIQUE CHECK (length(id) = 15),
	email TEXT NOT NULL UNIQUE CHECK (email <> ''),
	email_visibility INTEGER NOT NULL DEFAULT 0 CHECK (email_visibility IN (0, 1)),
	password_hash TEXT NOT NULL CHECK (password_hash <> ''), -- Argon2id
	token_key TEXT NOT NULL CHECK (token_key <> ''), -- ends all sessions when it changes
	version INTEGER NOT NULL DEFAULT 1,
	created INTEGER NOT NULL,
	updated INTEGER NOT NULL
) STRICT;

-- One row for each change, in its transaction. Each holds the hash of the row before.
CREATE TABLE audit (
	seq INTEGER PRIMARY KEY,
	at INTEGER NOT NULL,
	request_id TEXT NOT NULL DEFAULT '',
	actor TEXT NOT NULL, -- 'superuser', 'system' (natsid itself), 'console' (the command line)
	actor_id TEXT NOT NULL DEFAULT '',
	action TEXT NOT NULL, -- 'create', 'update', 'delete', ...
	collection TEXT NOT NULL,
	record_id TEXT NOT NULL,
	fields TEXT NOT NULL DEFAULT '[]', -- JSON array: names of the fields that changed
	previous BLOB NOT NULL CHECK (length(previous) = 32), -- hash of the row before; zeros in the first
	hash BLOB NOT NULL CHECK (length(hash) = 32) -- of previous and all columns above, length-prefixed
) STRICT;
CREATE INDEX audit_record ON audit (collection, record_id);

CREATE TRIGGER accounts_count_insert AFTER INSERT ON accounts WHEN new.deleted = 0 BEGIN
	UPDATE counters SET total = total + 1 WHERE name = 'accounts';
END;
CREATE TRIGGER accounts_count_delete AFTER DELETE ON accounts WHEN old.deleted = 0 BEGIN
	UPDATE counters SET total = total - 1 WHERE name = 'accounts';
END;
CREATE TRIGGER accounts_count_mark AFTER UPDATE OF deleted ON accounts
WHEN (old.deleted = 0) <> (new.deleted = 0) BEGIN
	UPDATE counters SET total = total + iif(new.deleted = 0, 1, -1) WHERE name = 'accounts';
END;
CREATE TRIGGER users_count_insert AFTER INSERT ON users BEGIN
	UPDATE counters SET total = total + 1 WHERE name = 'users';
END;
CREATE TRIGGER users_count_delete AFTER DELETE ON users BEGIN
	UPDATE counters SET total = total - 1 WHERE name = 'users';
END;
