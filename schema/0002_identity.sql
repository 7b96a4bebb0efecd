-- Everything that a NATS identity can say, and take back. Lists and objects are JSON as natsid writes it;
-- objects have the JWT's own shape. NULL: nothing is said, which is not the same as an empty list.

ALTER TABLE accounts ADD COLUMN max_leafnodes INTEGER NOT NULL DEFAULT -1 CHECK (max_leafnodes >= -1);
ALTER TABLE accounts ADD COLUMN max_imports INTEGER NOT NULL DEFAULT -1 CHECK (max_imports >= -1);
ALTER TABLE accounts ADD COLUMN max_exports INTEGER NOT NULL DEFAULT -1 CHECK (max_exports >= -1);
ALTER TABLE accounts ADD COLUMN allow_wildcard_exports INTEGER NOT NULL DEFAULT 1
	CHECK (allow_wildcard_exports IN (0, 1));
ALTER TABLE accounts ADD COLUMN disallow_bearer INTEGER NOT NULL DEFAULT 0 CHECK (disallow_bearer IN (0, 1));
ALTER TABLE accounts ADD COLUMN max_streams INTEGER NOT NULL DEFAULT -1 CHECK (max_streams >= -1);
ALTER TABLE accounts ADD COLUMN max_consumers INTEGER NOT NULL DEFAULT -1 CHECK (max_consumers >= -1);
ALTER TABLE accounts ADD COLUMN max_ack_pending INTEGER NOT NULL DEFAULT -1 CHECK (max_ack_pending >= -1);
ALTER TABLE accounts ADD COLUMN max_memory_stream_bytes INTEGER NOT NULL DEFAULT -1
	CHECK (max_memory_stream_bytes >= -1);
ALTER TABLE accounts ADD COLUMN max_disk_stream_bytes INTEGER NOT NULL DEFAULT -1
	CHECK (max_disk_stream_bytes >= -1);
ALTER TABLE accounts ADD COLUMN max_bytes_required INTEGER NOT NULL DEFAULT 0
	CHECK (max_bytes_required IN (0, 1));
ALTER TABLE accounts ADD COLUMN jetstream_tiers TEXT NOT NULL DEFAULT '{}'; -- in place of the flat limits
ALTER TABLE accounts ADD COLUMN default_publish_permissions TEXT; -- of users without permissions of their own
ALTER TABLE accounts ADD COLUMN default_subscribe_permissions TEXT;
ALTER TABLE accounts ADD COLUMN default_publish_deny_permissions TEXT;
ALTER TABLE accounts ADD COLUMN default_subscribe_deny_permissions TEXT;
ALTER TABLE accounts ADD COLUMN default_allow_response INTEGER NOT NULL DEFAULT 0
	CHECK (default_allow_response IN (0, 1));
ALTER TABLE accounts ADD COLUMN default_allow_response_max INTEGER NOT NULL DEFAULT 0
	CHECK (default_allow_response_max >= -1);
ALTER TABLE accounts ADD COLUMN default_allow_response_ttl INTEGER NOT NULL DEFAULT 0 -- seconds
	CHECK (default_allow_response_ttl >= 0);
ALTER TABLE accounts ADD COLUMN mappings TEXT NOT NULL DEFAULT '{}';
ALTER TABLE accounts ADD COLUMN trace_destination TEXT NOT NULL DEFAULT '';
ALTER TABLE accounts ADD COLUMN trace_sampling INTEGER NOT NULL DEFAULT 0
	CHECK (trace_sampling BETWEEN 0 AND 100); -- percent; 0: all
ALTER TABLE accounts ADD COLUMN cluster_traffic TEXT NOT NULL DEFAULT ''
	CHECK (cluster_traffic IN ('', 'system', 'owner'));
ALTER TABLE accounts ADD COLUMN tags TEXT NOT NULL DEFAULT '[]';
ALTER TABLE accounts ADD COLUMN info_url TEXT NOT NULL DEFAULT '';
ALTER TABLE accounts ADD COLUMN callout_auth_users TEXT NOT NULL DEFAULT '[]'; -- user keys U...
ALTER TABLE accounts ADD COLUMN callout_allowed_accounts TEXT NOT NULL DEFAULT '[]'; -- account keys A..., or *
ALTER TABLE accounts ADD COLUMN callout_xkey TEXT NOT NULL DEFAULT ''; -- X...
ALTER TABLE accounts ADD COLUMN key_set INTEGER NOT NULL DEFAULT 1; -- the signing keys that sign now

ALTER TABLE roles ADD COLUMN connection_types TEXT NOT NULL DEFAULT '[]'; -- none named: all
ALTER TABLE roles ADD COLUMN networks TEXT NOT NULL DEFAULT '[]'; -- CIDR; none named: all
ALTER TABLE roles ADD COLUMN time_windows TEXT NOT NULL DEFAULT '[]'; -- none named: always
ALTER TABLE roles ADD COLUMN times_location TEXT NOT NULL DEFAULT ''; -- IANA; '': the server's own
ALTER TABLE roles ADD COLUMN bearer_token INTEGER NOT NULL DEFAULT 0 CHECK (bearer_token IN (0, 1));
ALTER TABLE roles ADD COLUMN proxy_required INTEGER NOT NULL DEFAULT 0 CHECK (proxy_required IN (0, 1));
ALTER TABLE roles ADD COLUMN default_lifetime INTEGER NOT NULL DEFAULT 0 -- seconds; 0: natsid's default
	CHECK (default_lifetime >= 0);
ALTER TABLE roles ADD COLUMN feeds INTEGER NOT NULL DEFAULT 0; -- what its templates are fed from, as bits

-- A user's own permissions are added to the role's, the other overrides stand in place of the role's.
ALTER TABLE users ADD COLUMN publish_permissions TEXT;
ALTER TABLE users ADD COLUMN subscribe_permissions TEXT;
ALTER TABLE users ADD COLUMN publish_deny_permissions TEXT;
ALTER TABLE users ADD COLUMN subscribe_deny_permissions TEXT;
ALTER TABLE users ADD COLUMN max_subscriptions INTEGER CHECK (max_subscriptions >= -1);
ALTER TABLE users ADD COLUMN max_data INTEGER CHECK (max_data >= -1);
ALTER TABLE users ADD COLUMN max_payload INTEGER CHECK (max_payload >= -1);
ALTER TABLE users ADD COLUMN connection_types TEXT;
ALTER TABLE users ADD COLUMN networks TEXT;
ALTER TABLE users ADD COLUMN time_windows TEXT;
ALTER TABLE users ADD COLUMN times_location TEXT NOT NULL DEFAULT ''; -- of its own time_windows
ALTER TABLE users ADD COLUMN bearer_token INTEGER NOT NULL DEFAULT 0 CHECK (bearer_token IN (0, 1));
ALTER TABLE users ADD COLUMN proxy_required INTEGER NOT NULL DEFAULT 0 CHECK (proxy_required IN (0, 1));
ALTER TABLE users ADD COLUMN overrides INTEGER NOT NULL DEFAULT 0 CHECK (overrides IN (0, 1)); -- any of these
ALTER TABLE users ADD COLUMN tags TEXT NOT NULL DEFAULT '[]';
ALTER TABLE users ADD COLUMN jwt_expires_at INTEGER NOT NULL DEFAULT 0; -- ms; 0: by the default lifetime
ALTER TABLE users ADD COLUMN exp INTEGER NOT NULL DEFAULT 0; -- unix seconds, of the JWT in force; 0: never
ALTER TABLE users ADD COLUMN own_key INTEGER NOT NULL DEFAULT 0 CHECK (own_key IN (0, 1)); -- no seed is kept
ALTER TABLE users ADD COLUMN issued_until INTEGER NOT NULL DEFAULT 0; -- unix seconds: the last exp of the
	-- JWTs that left since the last revocation; 0: none left; 253402300799: one that never expires
ALTER TABLE users ADD COLUMN issued_set INTEGER NOT NULL DEFAULT 0; -- newest key set that signed one of them
ALTER TABLE users ADD COLUMN superseded INTEGER NOT NULL DEFAULT 0; -- unix seconds: iat of the newest JWT that
	-- left, is still good, and has another name or other tags than the row
CREATE INDEX users_overrides ON users (role) WHERE overrides = 1;
CREATE INDEX users_superseded ON users (role) WHERE superseded > 0;
CREATE INDEX users_exp ON users (exp) WHERE exp > 0;
CREATE INDEX users_iat ON users (account, iat) WHERE issued_at > 0; -- the newest JWT of an account
-- Names that must not feed a template: to find them when a role gets one.
CREATE INDEX users_unsafe_names ON users (role) WHERE nats_username GLOB '*[^A-Za-z0-9_-]*';

-- Keys are made in sets: the plain key and the scoped ones of an account sign together and retire together.
ALTER TABLE signing_keys ADD COLUMN key_set INTEGER NOT NULL DEFAULT 1;
ALTER TABLE signing_keys ADD COLUMN state TEXT NOT NULL DEFAULT 'active' -- 'next': trusted, does not sign yet
	CHECK (state IN ('active', 'next'));
ALTER TABLE signing_keys ADD COLUMN retire_at INTEGER NOT NULL DEFAULT 0; -- ms: goes then; 0: not planned
ALTER TABLE signing_keys ADD COLUMN retire_below INTEGER NOT NULL DEFAULT 0 -- percent: goes when fewer of the
	CHECK (retire_below BETWEEN 0 AND 100); -- account's live connections are on its set; 0: not planned
DROP INDEX signing_keys_scope;
CREATE UNIQUE INDEX signing_keys_scope ON signing_keys (account, role, key_set) WHERE role IS NOT NULL;
CREATE UNIQUE INDEX signing_keys_plain ON signing_keys (account, key_set)
	WHERE role IS NULL AND account IS NOT NULL;
CREATE INDEX signing_keys_retiring ON signing_keys (account) WHERE retire_at > 0 OR retire_below > 0;

-- More causes, and the entry for all users of an account.
CREATE TABLE revocations_2 (
	seq INTEGER PRIMARY KEY,
	account INTEGER NOT NULL REFERENCES accounts (seq),
	public_key BLOB NOT NULL CHECK (length(public_key) IN (0, 32)), -- of the user; empty: of all ("*")
	cause TEXT NOT NULL CHECK (cause IN
		('suspend', 'delete', 'move', 'regenerate', 'revoke', 'narrow', 'all')),
	at INTEGER NOT NULL, -- unix seconds: JWTs issued up to then are refused
	expires INTEGER NOT NULL DEFAULT 0, -- unix seconds after which nothing it matches can live; 0: never
	key_set INTEGER NOT NULL DEFAULT 0, -- newest key set that signed what it refuses; 0: not known
	created INTEGER NOT NULL,
	UNIQUE (account, public_key, cause)
) STRICT;
INSERT INTO revocations_2 (seq, account, public_key, cause, at, expires, created)
	SELECT seq, account, public_key, cause, at, expires, created FROM revocations;
DROP TABLE revocations;
ALTER TABLE revocations_2 RENAME TO revocations;

-- What left before this schema was noted without its end and its keys: it had no end, and one set of keys.
UPDATE users SET issued_until = 253402300799, issued_set = 1 WHERE issued_at > 0;

CREATE TABLE account_exports (
	seq INTEGER PRIMARY KEY,
	id TEXT NOT NULL UNIQUE CHECK (length(id) = 15),
	account INTEGER NOT NULL REFERENCES accounts (seq), -- the exporter
	name TEXT NOT NULL CHECK (name <> ''),
	subject TEXT NOT NULL CHECK (subject <> ''),
	type TEXT NOT NULL CHECK (type IN ('stream', 'service')),
	token_req INTEGER NOT NULL DEFAULT 0 CHECK (token_req IN (0, 1)),
	response_type TEXT NOT NULL DEFAULT '' CHECK (response_type IN ('', 'Singleton', 'Stream', 'Chunked')),
	response_threshold INTEGER NOT NULL DEFAULT 0 CHECK (response_threshold >= 0), -- ms
	latency_sampling INTEGER NOT NULL DEFAULT 0 CHECK (latency_sampling BETWEEN 0 AND 100), -- percent
	latency_headers INTEGER NOT NULL DEFAULT 0 CHECK (latency_headers IN (0, 1)), -- sampled by trace headers
	latency_results TEXT NOT NULL DEFAULT '', -- subject; '': no latency is measured
	account_token_position INTEGER NOT NULL DEFAULT 0 CHECK (account_token_position >= 0),
	advertise INTEGER NOT NULL DEFAULT 0 CHECK (advertise IN (0, 1)),
	allow_trace INTEGER NOT NULL DEFAULT 0 CHECK (allow_trace IN (0, 1)),
	description TEXT NOT NULL DEFAULT '',
	info_url TEXT NOT NULL DEFAULT '',
	version INTEGER NOT NULL DEFAULT 1,
	created INTEGER NOT NULL,
	updated INTEGER NOT NULL,
	UNIQUE (account, type, subject)
) STRICT;

-- Activations of an export that its owner took back.
CREATE TABLE export_revocations (
	export INTEGER NOT NULL REFERENCES account_exports (seq) ON DELETE CASCADE,
	account_key BLOB NOT NULL CHECK (length(account_key) IN (0, 32)), -- importer; empty: all ("*")
	at INTEGER NOT NULL, -- unix seconds: activations issued up to then are refused
	created INTEGER NOT NULL,
	PRIMARY KEY (export, account_key)
) STRICT, WITHOUT ROWID;

CREATE TABLE account_imports (
	seq INTEGER PRIMARY KEY,
	id TEXT NOT NULL UNIQUE CHECK (length(id) = 15),
	account INTEGER NOT NULL REFERENCES accounts (seq), -- the importer
	name TEXT NOT NULL CHECK (name <> ''),
	subject TEXT NOT NULL CHECK (subject <> ''), -- the exporter's
	exporter BLOB NOT NULL CHECK (length(exporter) = 32), -- its public key
	local_subject TEXT NOT NULL DEFAULT '',
	type TEXT NOT NULL CHECK (type IN ('stream', 'service')),
	token TEXT NOT NULL DEFAULT '', -- an activation from outside; natsid mints those of its own accounts
	share INTEGER NOT NULL DEFAULT 0 CHECK (share IN (0, 1)),
	allow_trace INTEGER NOT NULL DEFAULT 0 CHECK (allow_trace IN (0, 1)),
	description TEXT NOT NULL DEFAULT '',
	iat INTEGER NOT NULL, -- unix seconds, of the activation that natsid mints for it
	version INTEGER NOT NULL DEFAULT 1,
	created INTEGER NOT NULL,
	updated INTEGER NOT NULL
) STRICT;
CREATE INDEX account_imports_account ON account_imports (account);
CREATE INDEX account_imports_exporter ON account_imports (exporter);

-- Links that hand out a user's creds once. The key that opens `sealed` is in the link, not here.
CREATE TABLE creds_links (
	seq INTEGER PRIMARY KEY,
	token_hash BLOB NOT NULL UNIQUE CHECK (length(token_hash) = 32),
	user INTEGER NOT NULL REFERENCES users (seq) ON DELETE CASCADE,
	sealed BLOB NOT NULL, -- nonce, ciphertext, tag
	expires INTEGER NOT NULL, -- ms
	created INTEGER NOT NULL
) STRICT;
CREATE INDEX creds_links_user ON creds_links (user);
CREATE INDEX creds_links_expires ON creds_links (expires);

-- What the operator's JWT says beyond its keys.
ALTER TABLE operator ADD COLUMN service_urls TEXT NOT NULL DEFAULT '[]'; -- JSON array: where clients connect
ALTER TABLE operator ADD COLUMN account_server_url TEXT NOT NULL DEFAULT '';
ALTER TABLE operator ADD COLUMN assert_server_version TEXT NOT NULL DEFAULT ''; -- older servers refuse the JWT
ALTER TABLE operator ADD COLUMN strict_signing_key_usage INTEGER NOT NULL DEFAULT 0
	CHECK (strict_signing_key_usage IN (0, 1)); -- servers refuse what identity keys signed
ALTER TABLE operator ADD COLUMN tags TEXT NOT NULL DEFAULT '[]'; -- JSON array

-- The generation that the last change of the operator's signing key made; 0: the account is younger.
ALTER TABLE account_publish ADD COLUMN reissue_generation INTEGER NOT NULL DEFAULT 0;

-- Servers seen during the rotation of the operator's signing key that is under way. One that is
-- missing now may come back with an operator JWT that lacks the new key.
CREATE TABLE rotation_servers (
	cluster TEXT NOT NULL,
	name TEXT NOT NULL,
	seen INTEGER NOT NULL, -- last time
	PRIMARY KEY (cluster, name)
) STRICT, WITHOUT ROWID;
