// Every write that the API has, and every field that a write may name: generated from the table of routes, the field
// tables and the records themselves, so that a new route, trigger or field without a case fails the test.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createUser } from '@nats-io/nkeys';
import { connect, credsAuthenticator, jwtAuthenticator } from '@nats-io/transport-node';
import { claimsOf, signingKeysIn } from './claims.mjs';
import './ed25519.mjs';
import { root, until } from './processes.mjs';

const text = new TextEncoder();
const jwtOf = (creds) => /(eyJ[\w.-]+)/.exec(creds)[1];
export const seedOf = (creds) => /^(SU\w+)$/m.exec(creds)[1];

/** Does each of the items, so many at a time. */
export async function inGroups(items, each, size = 64) {
  const queue = [...items];
  await Promise.all(Array.from({ length: size }, async () => {
    while (queue.length > 0) await each(queue.shift());
  }));
}

/** 'refused' or 'let in'. creds: as natsid gives them, or a JWT and perhaps a seed; world.own: the key that the user brought. */
export function judge(servers, world, creds, options) {
  const seed = /^(SU\w+)$/m.exec(creds)?.[1] ?? new TextDecoder().decode(world.own.getSeed());
  const authenticator = /BEGIN USER NKEY SEED/.test(creds)
    ? credsAuthenticator(text.encode(creds)) : jwtAuthenticator(jwtOf(creds), text.encode(seed));
  return until('the server judges', async () => {
    try {
      const nc = await connect({ servers, authenticator, reconnect: false, timeout: 5000 });
      await nc.close();
      return 'let in';
    } catch (error) {
      if (/authorization/i.test(`${error.name} ${error.message}`)) return 'refused';
      throw error;
    }
  }, options);
}

/** What the claims of an account say against these creds; '' when nothing does. */
export function refusal({ nats }, creds) {
  const { sub, iat, iss } = claimsOf(jwtOf(creds));
  if (!signingKeysIn({ nats }).includes(iss)) return 'its key is gone';
  if ((nats.revocations?.[sub] ?? 0) >= iat) return 'revoked';
  return (nats.revocations?.['*'] ?? 0) >= iat ? 'all are revoked' : '';
}

const source = (path) => readFileSync(join(root, path), 'utf8');
const soon = (ms) => new Date(Date.now() + ms).toISOString();

/** "METHOD /pattern" of all routes that write, and of those that hand out creds. */
export function writeRoutes() {
  const table = source('src/api/route.c');
  const routes = [...table.matchAll(/\b(?:POCKETBASE|NATIVE)\(\s*"([A-Z]+)",\s*"([^"]+)"/g)].map(([, method, path]) => `${method} ${path}`);
  const entries = [...table.matchAll(/^\t(?:POCKETBASE|NATIVE)\(/gm)].length;
  if (routes.length !== entries) throw new Error(`${entries} routes, of which ${routes.length} are understood`);
  return routes.filter((route) => !route.startsWith('GET ') || /\/creds$/.test(route.replace(/^GET \/creds$/, '')));
}

const models = { nats_accounts: 'account', nats_users: 'user', nats_roles: 'role',
  nats_account_exports: 'account_export', nats_account_imports: 'account_import' };

/** What only asks for something to be done, and what is never shown. */
export function hiddenFields(collection) {
  const table = source(`src/model/${models[collection]}.c`);
  const made = [...table.matchAll(/\b[A-Z]+_TRIGGER\((?!member)(\w+)/g)].map(([, name]) => name);
  const entries = table.split(/\{ \.name = /).slice(1);
  const written = entries.filter((entry) => /FIELD_TRIGGER|FIELD_PASSWORD/.test(entry)).map((entry) => /^"(\w+)"/.exec(entry)?.[1]);
  return [...made, ...written.filter(Boolean)];
}

const always = ['id', 'collectionId', 'collectionName', 'created', 'updated'];
export const readOnly = {
  nats_accounts: [...always, 'public_key', 'signing_keys', 'signing_public_key', 'jwt', 'revocations', 'warnings', 'generation',
    'published_generation', 'publish_status', 'publish_message'],
  nats_users: [...always, 'own_key', 'expires_at', 'issued_at', 'jwt', 'creds_file'],
  nats_roles: always,
  nats_account_exports: [...always, 'account_id', 'revocations'],
  nats_account_imports: [...always, 'account_id', 'account'],
};

const texts = (...names) => Object.fromEntries(names.map((name) => [name, [{ [name]: `a ${name}` }]]));
const flags = (...names) => Object.fromEntries(names.map((name) => [name, [{ [name]: true }]]));
const limits = (...names) => Object.fromEntries(names.map((name) => [name, [{ [name]: 100 }]]));
const lists = (...names) => Object.fromEntries(names.map((name) => [name, [{ [name]: ['>'] }, { [name]: [] }]]));
const window = [{ start: '00:00:00', end: '23:59:59' }];
const constraints = {
  connection_types: [{ connection_types: ['STANDARD'] }],
  networks: [{ networks: ['127.0.0.0/8'] }],
  time_windows: [{ time_windows: window }],
  times_location: [{ times_location: 'UTC', time_windows: window }],
};
const permissions = ['publish_permissions', 'subscribe_permissions', 'publish_deny_permissions', 'subscribe_deny_permissions'];
const answers = { default_publish_permissions: [], default_allow_response: true };
const offered = (type) => ({ subject: `other.${type}`, type });

/** Bodies that a PATCH is tried with, for each field: of what may be wider rather than narrower. */
export const bodies = {
  nats_users: {
    ...texts('nats_username', 'full_name', 'description'),
    ...lists(...permissions), ...limits('max_subscriptions', 'max_data', 'max_payload'), ...constraints,
    ...flags('bearer_token', 'proxy_required', 'regenerate', 'emailVisibility', 'verified'),
    account_id: [(w) => ({ account_id: w.refuge.id }), (w) => ({ account_id: w.refuge.id, regenerate: true })],
    role_id: [(w) => ({ role_id: w.otherRole.id }), (w) => ({ role_id: w.otherRole.id, nats_username: 'renamed', regenerate: true })],
    public_key: [(w) => { w.own = createUser(); return { public_key: w.own.getPublicKey(), revoke: true }; }],
    active: [{ active: false }, { active: false, regenerate: true }, { active: false, revoke: true },
      (w) => ({ active: false, account_id: w.refuge.id })],
    tags: [{ tags: ['site:berlin'] }],
    jwt_expires_at: [() => ({ jwt_expires_at: soon(3600_000) }), { jwt_expires_at: '' }],
    revoke: [{ revoke: true }, { revoke: true, regenerate: true }, { revoke: true, publish_permissions: ['>'] }],
    email: [(w) => ({ email: `${w.user.id}@example.org` })],
    password: [{ password: 'long password', passwordConfirm: 'long password' }],
    passwordConfirm: [{ password: 'other password', passwordConfirm: 'other password', regenerate: true }],
  },
  nats_accounts: {
    description: texts('description').description,
    name: [(w) => ({ name: `renamed-${w.account.id}` })],
    active: [{ active: false }, { active: false, add_signing_key: true }, { active: false, rotate_keys: true, revoke_all: true }],
    ...limits('max_connections', 'max_subscriptions', 'max_data', 'max_payload', 'max_leafnodes', 'max_imports', 'max_exports',
      'max_streams', 'max_consumers', 'max_ack_pending', 'max_memory_stream_bytes', 'max_disk_stream_bytes'),
    max_jetstream_disk_storage: [{ max_jetstream_disk_storage: 1048576 }],
    max_jetstream_memory_storage: [{ max_jetstream_memory_storage: 1048576 }],
    ...flags('allow_wildcard_exports', 'disallow_bearer', 'max_bytes_required', 'rotate_keys',
      'add_signing_key', 'revoke_all'),
    remove_signing_key: [
      (w) => ({ remove_signing_key: w.oldKey }), { add_signing_key: true, revoke_all: true },
      (w) => ({ remove_signing_key: w.oldKey, add_signing_key: true })],
    jetstream_tiers: [{ jetstream_tiers: { R1: { disk_storage: 1048576, mem_storage: 0, streams: 1, consumer: 1 } } }],
    ...Object.fromEntries(permissions.map((name) => [`default_${name}`, [{ [`default_${name}`]: ['a.>'] }, { [`default_${name}`]: [] }]])),
    default_allow_response: [answers],
    default_allow_response_max: [{ ...answers, default_allow_response_max: 3 }],
    default_allow_response_ttl: [{ ...answers, default_allow_response_ttl: 5 }],
    mappings: [{ mappings: { 'orders.*': [{ subject: 'data.v2.$1', weight: 100 }] } }],
    trace_destination: [{ trace_destination: 'trace.here' }],
    trace_sampling: [{ trace_destination: 'trace.here', trace_sampling: 50 }],
    cluster_traffic: [{ cluster_traffic: 'owner' }],
    tags: [{ tags: ['tier:gold'] }],
    info_url: [{ info_url: 'https://example.org' }],
    callout_auth_users: [(w) => ({ callout_auth_users: [w.user.public_key] })],
    callout_allowed_accounts: [(w) => ({ callout_auth_users: [w.user.public_key], callout_allowed_accounts: ['*'] })],
    callout_xkey: [(w) => ({ callout_auth_users: [w.user.public_key], callout_xkey: w.xkey })],
  },
  nats_roles: {
    description: texts('description').description,
    name: [(w) => ({ name: `renamed-${w.role.id}` })],
    is_default: [{ is_default: false }], // one role only may be it
    ...lists(...permissions), ...limits('max_subscriptions', 'max_data', 'max_payload'), ...constraints,
    ...flags('allow_response', 'bearer_token', 'proxy_required'),
    allow_response_max: [{ allow_response: true, allow_response_max: 5 }],
    allow_response_ttl: [{ allow_response: true, allow_response_ttl: 5 }],
    default_lifetime: limits('default_lifetime').default_lifetime,
  },
  nats_account_exports: {
    ...texts('name', 'description'),
    subject: [offered('service')], type: [offered('stream')],
    ...flags('token_req', 'advertise', 'allow_trace'),
    response_type: [{ response_type: 'Stream' }],
    response_threshold: limits('response_threshold').response_threshold,
    latency_results: [{ latency_results: 'latency.here', latency_sampling: 10 }],
    latency_sampling: [{ latency_results: 'latency.here', latency_sampling: 50 }],
    latency_headers: [{ latency_results: 'latency.here', latency_headers: true }],
    account_token_position: [{ subject: 'wild.*', account_token_position: 2, token_req: false }],
    info_url: [{ info_url: 'https://example.org' }],
  },
  nats_account_imports: {
    ...texts('name', 'description'),
    subject: [{ subject: 'offered.two' }], type: [{ type: 'service', subject: 'served.one' }],
    local_subject: [{ local_subject: 'local.here' }],
    token: [(w) => ({ token: w.token ?? '' })],
    share: [{ type: 'service', subject: 'served.one', share: true }],
    ...flags('allow_trace'),
  },
};
