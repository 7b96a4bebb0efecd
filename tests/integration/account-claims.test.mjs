// All that an account can say, claim by claim: as it goes into the API, it comes out of the official decoder, and nothing
// else with it. What servers make of it: account-limits, account-jetstream and account-traffic.
import assert from 'node:assert/strict';
import { createAccount, createCurve, createUser } from '@nats-io/nkeys';
import { accountClaims } from './lib/claims.mjs';
import { onStage } from './lib/stage.mjs';

const most = 2 ** 31 - 1;
const mostBytes = Number.MAX_SAFE_INTEGER;
const publicKeys = (create, count) => Array.from({ length: count }, () => create().getPublicKey()).sort();
const users = publicKeys(createUser, 2);
const accounts = publicKeys(createAccount, 2);
const [xkey] = publicKeys(createCurve, 1);

const nothing = {
  limits: { subs: -1, data: -1, payload: -1, imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1 },
  default_permissions: { pub: {}, sub: {} },
  authorization: {},
  type: 'account',
  version: 2,
};
const unlimited = { streams: -1, consumer: -1, max_ack_pending: -1, mem_max_stream_bytes: -1, disk_max_stream_bytes: -1 };
const onDisk = { ...unlimited, disk_storage: 1000 };
const mappings = {
  'orders.*': [{ subject: 'orders.v1.$1', weight: 20 }, { subject: 'orders.v2.{{wildcard(1)}}', weight: 80 }],
  'far.away': [{ subject: 'far.east', weight: 100, cluster: 'east' }, { subject: 'far.west', weight: 50, cluster: 'west' }],
  plain: [{ subject: 'other' }],
};
const tiers = { R3: { mem_storage: 5, disk_storage: -1, streams: 2, max_bytes_required: true }, R1: { disk_storage: 1024 } };
const tierClaims = {
  R1: { ...unlimited, disk_storage: 1024 },
  R3: { ...unlimited, mem_storage: 5, disk_storage: -1, streams: 2, max_bytes_required: true },
};
const limit = (fields, limits, given) => [fields, { limits }, given];
const given = { max_jetstream_disk_storage: 1000 };
const flat = { ...given, max_streams: 7, max_bytes_required: true };
const callout = { callout_auth_users: users };

// [fields, claims, what the account has before]: the claims are merged into what an account says of whom nothing was asked;
// null takes one away, as 0, false and empty are left out of JWTs.
const steps = [
  limit({ max_connections: 17 }, { conn: 17 }),
  limit({ max_connections: 0 }, { conn: null }),
  limit({ max_connections: most }, { conn: most }),
  limit({ max_subscriptions: most }, { subs: most }),
  limit({ max_data: mostBytes }, { data: mostBytes }),
  limit({ max_payload: 1024 }, { payload: 1024 }),
  limit({ max_leafnodes: 3 }, { leaf: 3 }),
  limit({ max_imports: 5 }, { imports: 5 }),
  limit({ max_exports: 6 }, { exports: 6 }),
  limit({ allow_wildcard_exports: false }, { wildcards: null }),
  limit({ disallow_bearer: true }, { disallow_bearer: true }),
  limit({ max_jetstream_memory_storage: 4096 }, { ...unlimited, mem_storage: 4096 }),
  limit({ max_jetstream_disk_storage: mostBytes }, { ...unlimited, disk_storage: mostBytes }),
  limit({ max_jetstream_disk_storage: -1 }, { ...unlimited, disk_storage: -1 }),
  limit({ max_jetstream_disk_storage: 0 }, {}, given),
  limit({ max_streams: 7 }, { ...onDisk, streams: 7 }, given),
  limit({ max_consumers: 8 }, { ...onDisk, consumer: 8 }, given),
  limit({ max_ack_pending: 9 }, { ...onDisk, max_ack_pending: 9 }, given),
  limit({ max_memory_stream_bytes: 1000 }, { ...onDisk, mem_max_stream_bytes: 1000 }, given),
  limit({ max_disk_stream_bytes: 2000 }, { ...onDisk, disk_max_stream_bytes: 2000 }, given),
  limit({ max_bytes_required: true }, { ...onDisk, max_bytes_required: true }, given),
  limit({ jetstream_tiers: tiers }, { tiered_limits: tierClaims }),
  limit({ max_jetstream_disk_storage: 0, max_streams: -1, max_bytes_required: false, jetstream_tiers: tiers }, { tiered_limits: tierClaims }, flat),
  [
    { default_publish_permissions: ['b', 'a.>'], default_publish_deny_permissions: ['a.secret'] },
    { default_permissions: { pub: { allow: ['a.>', 'b'], deny: ['a.secret'] } } },
  ],
  [
    { default_subscribe_permissions: ['jobs workers', 'c'], default_subscribe_deny_permissions: ['d.*'] },
    { default_permissions: { sub: { allow: ['c', 'jobs workers'], deny: ['d.*'] } } },
  ],
  [{ default_publish_permissions: [] }, { default_permissions: { pub: { deny: ['>'] } } }],
  [{ default_subscribe_permissions: [] }, { default_permissions: { sub: { deny: ['>'] } } }],
  [
    { default_allow_response: true },
    { default_permissions: { pub: { allow: ['a'] }, resp: { max: 1, ttl: 0 } } },
    { default_publish_permissions: ['a'] },
  ],
  [
    { default_allow_response_max: 3, default_allow_response_ttl: 60 },
    { default_permissions: { pub: { deny: ['>'] }, resp: { max: 3, ttl: 60_000_000_000 } } },
    { default_publish_permissions: [], default_allow_response: true },
  ],
  [{ mappings }, { mappings }],
  [{ trace_destination: 'trace.here' }, { trace: { dest: 'trace.here' } }],
  [{ trace_sampling: 25 }, { trace: { dest: 'trace.here', sampling: 25 } }, { trace_destination: 'trace.here' }],
  [{ cluster_traffic: 'owner' }, { cluster_traffic: 'owner' }],
  [{ cluster_traffic: 'system' }, { cluster_traffic: 'system' }],
  [{ tags: ['stage:test', 'paid'] }, { tags: ['paid', 'stage:test'] }],
  [{ description: 'Größe <b>&\n"quoted"' }, { description: 'Größe <b>&\n"quoted"' }],
  [{ info_url: 'https://example.org/acme?a=1&b=2' }, { info_url: 'https://example.org/acme?a=1&b=2' }],
  [{ callout_auth_users: [...users].reverse() }, { authorization: { auth_users: users } }],
  [
    { callout_allowed_accounts: [...accounts].reverse() },
    { authorization: { auth_users: users, allowed_accounts: accounts } },
    callout,
  ],
  [{ callout_allowed_accounts: ['*'] }, { authorization: { auth_users: users, allowed_accounts: ['*'] } }, callout],
  [{ callout_xkey: xkey }, { authorization: { auth_users: users, xkey } }, callout],
];

// Everything at once: what it is when it says something, the claim, and when it says nothing.
const wholly = Object.assign({}, ...steps.map(([fields]) => fields), {
  jetstream_tiers: {}, max_jetstream_disk_storage: 2000, max_streams: 7, max_bytes_required: true,
  default_publish_permissions: ['x'], default_publish_deny_permissions: null, default_subscribe_permissions: ['y'],
  default_subscribe_deny_permissions: ['y.z'],
});
const whole = {
  limits: {
    conn: most, subs: most, data: mostBytes, payload: 1024, leaf: 3, imports: 5, exports: 6, wildcards: null, disallow_bearer: true,
    mem_storage: 4096, disk_storage: 2000, streams: 7, consumer: 8, max_ack_pending: 9, mem_max_stream_bytes: 1000,
    disk_max_stream_bytes: 2000, max_bytes_required: true,
  },
  default_permissions: {
    pub: { allow: ['x'] }, sub: { allow: ['y'], deny: ['y.z'] }, resp: { max: 3, ttl: 60_000_000_000 },
  },
  mappings,
  trace: { dest: 'trace.here', sampling: 25 },
  cluster_traffic: 'system',
  tags: ['paid', 'stage:test'],
  description: 'Größe <b>&\n"quoted"',
  info_url: 'https://example.org/acme?a=1&b=2',
  authorization: { auth_users: users, allowed_accounts: ['*'], xkey },
};
const ofNothing = {
  number: (name) => (name.startsWith('max_jetstream') || /_(ttl|sampling|response_max)$/.test(name) ? 0 : -1),
  boolean: (name) => name === 'allow_wildcard_exports',
  string: () => '',
  object: (name) => (/^default_/.test(name) ? null : Array.isArray(wholly[name]) ? [] : {}),
};
const takenBack = Object.fromEntries(Object.entries(wholly).map(([name, value]) => [name, ofNothing[typeof value](name)]));

function merge(into, change) {
  const merged = { ...into };
  for (const [key, value] of Object.entries(change)) {
    const isObject = value !== null && typeof value === 'object' && !Array.isArray(value);
    if (value === null) delete merged[key];
    else merged[key] = isObject ? merge(merged[key] ?? {}, value) : value;
  }
  return merged;
}

for (const which of ['newest', 'oldest']) {
  onStage(`the claims of an account on the ${which} server`, { which }, (stage, test) => {
    const made = [];
    let account;

    /** All that the JWT says beside its key and natsid's own tag. */
    async function assertClaims(record, change) {
      const { name, nats } = await accountClaims(stage, record);
      assert.equal(name, record.name);
      const { signing_keys: keys, tags, ...rest } = nats;
      assert.deepEqual(keys, [record.signing_public_key]);
      assert.match(tags.at(-1), /^natsid:/);
      assert.deepEqual({ ...rest, ...(tags.length > 1 ? { tags: tags.slice(0, -1) } : {}) }, merge(nothing, change));
    }

    test('of whom nothing was asked', async () => {
      account = await stage.createAccount('acme');
      await assertClaims(account, {});
    });

    // Long before the changes, which must be told from it.
    test('accounts for all that follows', async () => {
      for (const [index, [, , before]] of steps.entries()) made.push(await stage.createAccount(`account ${index}`, before));
      for (const one of made) await stage.proven(one);
    });

    for (const [index, [fields, claims]] of steps.entries()) {
      test(JSON.stringify(fields), async () => {
        await assertClaims(await stage.change(made[index], fields), claims);
      });
    }

    test('another name', async () => {
      account = await stage.change(account, { name: 'Acme & Søn' });
      await assertClaims(account, {});
    });

    test('everything, in one change', async () => {
      await assertClaims(await stage.change(account, wholly), whole);
    });

    test('everything, sent back as it was answered', async () => {
      const { generation, ...record } = await stage.read(account);
      const sent = Object.fromEntries(Object.keys(wholly).map((name) => [name, record[name]]));
      assert.equal((await stage.change(account, sent)).generation, generation);
    });

    test('everything taken back', async () => {
      await assertClaims(await stage.change(account, takenBack), {});
    });

    test('everything, by a creation', async () => {
      await assertClaims(await stage.createAccount('whole', wholly), whole);
    });
  });
}
