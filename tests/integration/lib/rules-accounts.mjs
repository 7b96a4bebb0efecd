// What an account must not say.
import { createAccount, createCurve, createServer, createUser } from '@nats-io/nkeys';
import {
  badEntries, badValues, booleans, claims, code, id, integers, lists, long, misread, misspelt, plainSubjects, shown, texts, unknown,
} from './rules-fields.mjs';

const int32 = [-1, 2 ** 31 - 1];
const safe = [-1, Number.MAX_SAFE_INTEGER];
const limits = {
  max_connections: int32, max_subscriptions: int32, max_data: safe, max_payload: int32, max_jetstream_disk_storage: safe,
  max_jetstream_memory_storage: safe, max_leafnodes: int32, max_imports: int32, max_exports: int32, max_streams: int32,
  max_consumers: int32, max_ack_pending: int32, max_memory_stream_bytes: safe, max_disk_stream_bytes: safe,
  default_allow_response_max: int32, default_allow_response_ttl: [0, 86400], trace_sampling: [0, 100],
};
const switches = ['active', 'allow_wildcard_exports', 'disallow_bearer', 'max_bytes_required', 'default_allow_response'];
const triggers = ['rotate_keys', 'add_signing_key', 'revoke_all'];
const published = ['default_publish_permissions', 'default_publish_deny_permissions'];
const subscribed = ['default_subscribe_permissions', 'default_subscribe_deny_permissions'];
const plain = ['name', 'description', 'trace_destination', 'cluster_traffic', 'info_url', 'callout_xkey', 'remove_signing_key'];
const objects = ['jetstream_tiers', 'mappings'];
const others = ['tags', 'callout_auth_users', 'callout_allowed_accounts'];

export const userKey = (i = 0) => userKeys[i];
const userKeys = Array.from({ length: 66 }, () => createUser().getPublicKey());
const accountKeys = Array.from({ length: 66 }, () => createAccount().getPublicKey());
const [accountKey] = accountKeys;
const curveKey = createCurve().getPublicKey();
const serverKey = createServer().getPublicKey();
const userSeed = new TextDecoder().decode(createUser().getSeed());
const curveSeed = new TextDecoder().decode(createCurve().getSeed());

export const kinds = [
  ...texts(plain),
  ...long({ name: 100, description: 500, trace_destination: 256, cluster_traffic: 16, info_url: 2048, callout_xkey: 56 }),
  ...booleans([...switches, ...triggers]),
  ...integers(limits),
  ...lists([...published, ...subscribed], 256, (i) => `s.${i}`, { nullable: true }),
  ...lists(['tags'], 64, (i) => `tag-${i}`),
  ...lists(['callout_auth_users'], 64, userKey),
  ...lists(['callout_allowed_accounts'], 64, (i) => accountKeys[i]),
  ...claims(objects),
  ...misspelt([...plain, ...Object.keys(limits), ...switches, ...triggers, ...published, ...subscribed, ...objects, ...others]),
  ...unknown(['is_system', 'key_set', 'token_key', 'limits', 'jetstream', 'nats', 'deleted', 'seq', '']),
  ['a limit in camel case', { maxPayload: 5 }, 'maxPayload', code.unknown, /did you mean "max_payload"/],
  ['a modifier', { 'max_payload+': 5 }, 'max_payload+', code.unknown, /Modifiers are not supported; send the whole value as "max_payload"/],
];

export const words = [
  ...badValues('name', [
    ['', /Cannot be blank/],
  ], code.required),
  ...badValues('name', [
    [' acme', /begin or end with a blank/],
    ['acme ', /begin or end with a blank/],
    ['a\nb', /control characters/],
    ['a\u001b[31mb', /control characters/],
    ['a\u007f', /control characters/],
  ], code.format),
  ...badValues('description', [['a\u0007b', /control characters/], ['\u001b]0;title', /control characters/]], code.format),
  ['the name of another account', { name: 'other' }, 'name', code.unique, /unique/],
  ...badValues('info_url', [
    ['example.org', /"example\.org" is not a URL with a scheme and a host/],
    ['https://example.org:port/', /malformed/],
    ['https://[', /malformed/],
    ['https://[::1]80', /malformed/],
    ['https://[abc]', /malformed/],
    ['https://[1.2.3.4]', /malformed/],
    ['https://[::1]:x', /malformed/],
    ['https://a]b', /malformed/],
    ['https://a:1:2', /malformed/],
    ['https://u@:80', /malformed/],
    ['https://u:@', /malformed/],
    ['https://ü@example.org', /malformed/],
    ['https://%41.example.org', /malformed/],
    ['https://example.org/%zz', /malformed/],
    ['https://example.org/%', /malformed/],
    ['https://example.org#%4', /malformed/],
    ['https://', /is not a URL with a scheme and a host/],
    ['https:///docs', /is not a URL with a scheme and a host/],
    ['https:docs', /is not a URL with a scheme and a host/],
    ['//example.org', /is not a URL with a scheme and a host/],
    ['https://example.org/a b', /is not a URL with a scheme and a host/],
    ['https://example.org/"><script>', /is not a URL with a scheme and a host/],
    ['javascript:alert(1)', /is not a URL with a scheme and a host/],
    ['1https://example.org', /is not a URL with a scheme and a host/],
  ]),
  ...badValues('cluster_traffic', [
    ['systems', /"systems" is none of system, owner/],
    ['SYSTEM', /"SYSTEM" is none of system, owner/],
    ['none', /"none" is none of system, owner/],
  ]),
  ...badEntries('tags', [
    ['', /its key must be of a-z, 0-9, _ and -/],
    [':value', /its key must be of a-z/],
    ['Site:berlin', /"Site:berlin": its key must be of a-z/],
    ['my site', /its key must be of a-z/],
    ['site:', /its value must be of A-Z, a-z, 0-9, _ and -/],
    ['site:a.b', /"site:a\.b": its value must be of A-Z/],
    ['site:*', /its value must be of A-Z/],
    ['site:a>', /its value must be of A-Z/],
    ['site:a b', /its value must be of A-Z/],
    ['site:münchen', /its value must be of A-Z/],
    ['x'.repeat(200), /a tag of 200 bytes, \d+ are the most/],
    ['natsid:1', /"natsid" is natsid's own/],
  ]),
];

export const subjects = [
  ...plainSubjects(published, subscribed),
  ['answers without a list of what else may be published', { default_allow_response: true }, 'default_allow_response', code.value, /Needs default_publish_permissions/],
  ...badValues('trace_destination', [
    ['trace.*', /must not have wildcards/],
    ['trace.>', /must not have wildcards/],
    ['>', /must not have wildcards/],
    ['trace..x', /empty token at position 2/],
    ['trace x', /space in the token at position 1/],
    ['trace.{{account-name()}}', /templates.*belong into the lists of roles/],
  ], code.subject),
  ['trace_sampling without a destination', { trace_sampling: 10 }, 'trace_sampling', code.value, /Needs trace_destination/],
];

const tiers = (members) => ({ R1: { disk_storage: 1024, ...members } });
const flat = {
  max_jetstream_disk_storage: 1024, max_jetstream_memory_storage: 1024, max_streams: 5, max_consumers: 5, max_ack_pending: 5,
  max_memory_stream_bytes: 5, max_disk_stream_bytes: 5, max_bytes_required: true,
};

export const jetstream = [
  ...badValues('jetstream_tiers', [
    [[], /not an object of tiers/],
    [{ '': tiers().R1 }, /a tier without a name/],
    [{ R0: tiers().R1 }, /tier "R0": servers know R1 to R5, by the number of replicas/],
    [{ R6: tiers().R1 }, /tier "R6": servers know R1 to R5/],
    [{ R10: tiers().R1 }, /tier "R10": servers know/],
    [{ r1: tiers().R1 }, /tier "r1": servers know/],
    [{ gold: tiers().R1 }, /tier "gold": servers know/],
    [{ R1: tiers().R1, R3: { disk_storage: -2 } }, /tier "R3": disk_storage -2 is not between -1 and/],
    [{ R1: [] }, /tier "R1": not an object/],
    [{ R1: null }, /tier "R1": not an object/],
    [{ R1: 1024 }, /tier "R1": not an object/],
    [tiers({ mem_storage: -2 }), /tier "R1": mem_storage -2 is not between -1 and/],
    [tiers({ mem_storage: '1024' }), /tier "R1": mem_storage is not a whole number/],
    [tiers({ mem_storage: null }), /tier "R1": mem_storage is not a whole number/],
    [tiers({ mem_storage: 1.5 }), /a number is not whole/],
    [tiers({ mem_storage: 2 ** 53 }), /mem_storage 9007199254740992 is not between -1 and 9007199254740991/],
    [tiers({ streams: 0 }), /streams 0 would be unlimited for servers; give -1 for that/],
    [tiers({ streams: -2 }), /streams -2 is not between/],
    [tiers({ consumer: 0 }), /consumer 0 would be unlimited/],
    [tiers({ max_ack_pending: 0 }), /max_ack_pending 0 would be unlimited/],
    [tiers({ mem_max_stream_bytes: 0 }), /mem_max_stream_bytes 0 would be unlimited/],
    [tiers({ disk_max_stream_bytes: -5 }), /disk_max_stream_bytes -5 is not between/],
    [tiers({ max_bytes_required: 1 }), /max_bytes_required is not true or false/],
    [tiers({ consumers: 5 }), /tier "R1": unknown member "consumers"/],
    [tiers({ max_streams: 5 }), /tier "R1": unknown member "max_streams"/],
  ]),
  ...Object.entries(flat).flatMap(([name, value]) => [
    [`tiers and ${name}`, { jetstream_tiers: tiers(), [name]: value }, 'jetstream_tiers', code.value, new RegExp(`in place of ${name}`)],
    [`${name} where there are tiers`, { [name]: value }, 'jetstream_tiers', code.value, new RegExp(`in place of ${name}`), { only: 'update', update: id('tiered') }],
  ]),
  ...['max_streams', 'max_consumers', 'max_ack_pending', 'max_memory_stream_bytes', 'max_disk_stream_bytes'].map((name) =>
    [`${name}: 0`, { [name]: 0 }, name, code.value, /0 for no limit\. Use -1/]),
];

const to = (subject, more) => ({ subject, ...more });
const mapping = (source, ...targets) => ({ [source]: targets });

export const mappings = badValues('mappings', [
  [[], /not an object of targets by subject/],
  [{ orders: [] }, /"orders": not an array of one target or more/],
  [{ orders: to('new') }, /"orders": not an array of one target or more/],
  [{ orders: 'new' }, /"orders": not an array/],
  [{ orders: ['new'] }, /"orders" target 1: not an object/],
  [{ orders: [to('new'), null] }, /"orders" target 2: not an object/],
  [mapping('orders', { weight: 50 }), /"orders" target 1: subject is missing/],
  [mapping('orders', to('')), /"orders" target 1: subject is empty/],
  [mapping('orders', to(5)), /target 1: subject is not a string/],
  [mapping('orders', to('x'.repeat(257))), /target 1: subject is over 256 bytes/],
  [mapping('orders', to('new', { wieght: 50 })), /target 1: unknown member "wieght"/],
  [mapping('orders', to('new', { weight: 101 })), /weight 101 is not between 1 and 100/],
  [mapping('orders', to('new', { weight: 0 })), /weight 0 is not between 1 and 100/],
  [mapping('orders', to('new', { weight: -1 })), /weight -1 is not between 1 and 100/],
  [mapping('orders', to('new', { weight: '50' })), /weight is not a whole number/],
  [mapping('orders', to('new', { weight: 12.5 })), /a number is not whole/],
  [mapping('orders', to('new', { cluster: '' })), /cluster is empty/],
  [mapping('orders', to('new', { cluster: 5 })), /cluster is not a string/],
  [mapping('orders', to('new', { cluster: 'eu west' })), /no cluster has a name with blanks/],
  [mapping('orders', to('a', { weight: 60 }), to('b', { weight: 50 })), /"orders": the weights sum up to 110, over 100/],
  [mapping('orders', to('a'), to('b', { weight: 10 })), /the weights sum up to 110, over 100/],
  [mapping('orders', to('a', { weight: 60, cluster: 'eu' }), to('b', { weight: 60, cluster: 'eu' })), /the weights of cluster "eu" sum up to 120/],
  [mapping('orders', to('a', { weight: 50 }), to('a', { weight: 50 })), /target 2: subject "a" is that of target 1 already/],
  [mapping('orders', to('a', { cluster: 'eu' }), to('a', { cluster: 'us' })), /subject "a" is that of target 1 already/],
  [mapping('a..b', to('new')), /"a\.\.b": empty token at position 2/],
  [mapping('', to('new')), /the subject is empty/],
  [mapping('a b', to('new')), /"a b": space in the token/],
  [mapping('>.a', to('new')), /">" at position 1/],
  [mapping('a.$1', to('new')), /references and functions are for targets/],
  [mapping('a.{{wildcard(1)}}', to('new')), /references and functions are for targets/],
  [mapping('x'.repeat(257), to('new')), /over 256 bytes/],
  [mapping('orders', to('a..b')), /subject "a\.\.b": empty token at position 2/],
  [mapping('orders.*', to('new.*')), /"\*" must be a reference such as \$1/],
  [mapping('orders.*', to('new.$2')), /there is no wildcard 2, the mapped subject has 1/],
  [mapping('orders', to('new.$1')), /there is no wildcard 1, the mapped subject has 0/],
  [mapping('orders.*', to('new.$0')), /there is no wildcard 0/],
  [mapping('orders.*', to('new.$-1')), /there is no wildcard/],
  [mapping('orders.*', to('new.$99999999999')), /there is no wildcard/],
  [mapping('orders.*', to('new.{{wildcard(2)}}')), /there is no wildcard 2/],
  [mapping('orders.*', to('new.{{wildcard(x)}}')), /"x" is not a wildcard's number/],
  [mapping('orders.*', to('new.{{wildcard(1,2)}}')), /the form is wildcard\(number\)/],
  [mapping('orders.*', to('new.{{partition(10)}}')), /the form is partition\(count,wildcard/],
  [mapping('orders.*', to('new.{{partition(0,1)}}')), /"0" is not a number from 1 on/],
  [mapping('orders.*', to('new.{{partition(3,2)}}')), /there is no wildcard 2/],
  [mapping('orders.*', to('new.{{splitFromLeft(1,0)}}')), /"0" is not a number from 1 on/],
  [mapping('orders.*', to('new.{{split(1,)}}')), /the separator is empty or has braces/],
  [mapping('orders.*', to('new.{{random(5)}}')), /unknown function; there are wildcard, partition/],
  [mapping('orders.*', to('new.{{WILDCARD(1)}}')), /unknown function/],
  [mapping('orders.*', to('new.{{wildcard(1)')), /a function is a whole token of the form \{\{name\(\.\.\.\)\}\}/],
  [mapping('orders.*', to('new.x{{wildcard(1)}}')), /a function is a whole token/],
  [mapping('orders.>', to('new')), /it ends in ">" if and only if the mapped subject does/],
  [mapping('orders', to('new.>')), /it ends in ">" if and only if/],
  [{ ...mapping('a.*', to('x.$1')), ...mapping('a.b', to('y')) }, /"a\.\*" and "a\.b" overlap/],
  [{ ...mapping('a.>', to('x.>')), ...mapping('a.*.c', to('y.$1')) }, /overlap, servers would take one of them by chance/],
  [{ ...mapping('*.b', to('x.$1')), ...mapping('a.*', to('y.$1')) }, /overlap/],
  [Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`a.${i}`, [to('x')]])), /65 mappings, at most 64/],
  [mapping('orders', ...Array.from({ length: 17 }, (_, i) => to(`x.${i}`, { weight: 1 }))), /"orders": 17 targets, at most 16/],
]);

const notAKey = (role) => [
  ['', /a public nkey has 56 characters, not 0/],
  ['nobody', /a public nkey has 56 characters, not 6/],
  [serverKey, new RegExp(`expected a public key of role ${role}, not server`)],
];

export const callout = [
  ...badEntries('callout_auth_users', [
    ...notAKey('user'),
    [accountKey, /expected a public key of role user, not account/],
    [misread(userKey()), /the checksum of the public nkey is wrong/],
    [userKey().toLowerCase(), /not base32/],
    [userSeed, /a public nkey has 56 characters, not 58/],
    ['*', /a public nkey has 56 characters, not 1/],
  ]),
  ...[
    ...notAKey('account'),
    [userKey(), /expected a public key of role account, not user/],
    [misread(accountKey), /the checksum of the public nkey is wrong/],
    ['**', /a public nkey has 56 characters, not 2/],
  ].map(([key, reason]) => [`callout_allowed_accounts: ${shown(key)}`, { callout_auth_users: [userKey()], callout_allowed_accounts: [key] },
    'callout_allowed_accounts', code.value, reason]),
  ['* beside an account', { callout_auth_users: [userKey()], callout_allowed_accounts: ['*', accountKey] }, 'callout_allowed_accounts', code.value, /stands? alone/],
  ['an account beside *', { callout_auth_users: [userKey()], callout_allowed_accounts: [accountKey, '*'] }, 'callout_allowed_accounts', code.value, /stands? alone/],
  ['allowed accounts without auth users', { callout_allowed_accounts: [accountKey] }, 'callout_allowed_accounts', code.value, /Needs callout_auth_users/],
  ['all accounts without auth users', { callout_allowed_accounts: ['*'] }, 'callout_allowed_accounts', code.value, /Needs callout_auth_users/],
  ['auth users taken away from their accounts', { callout_auth_users: [] }, 'callout_allowed_accounts', code.value, /Needs callout_auth_users/, { only: 'update', update: id('callout') }],
  ['an xkey without auth users', { callout_xkey: curveKey }, 'callout_xkey', code.value, /Needs callout_auth_users/],
  ...[
    [userKey(), /expected a public key of role curve, not user/],
    [accountKey, /expected a public key of role curve, not account/],
    [misread(curveKey), /the checksum of the public nkey is wrong/],
    ['nothing', /a public nkey has 56 characters, not 7/],
  ].map(([key, reason]) => [`callout_xkey: ${shown(key)}`, { callout_auth_users: [userKey()], callout_xkey: key }, 'callout_xkey', code.value, reason]),
  ['callout_xkey: a seed', { callout_auth_users: [userKey()], callout_xkey: curveSeed }, 'callout_xkey', code.maxText, /at most 56 characters, not 58/],
];

export const keys = [
  ['a signing key that is none of the account', { remove_signing_key: accountKey }, 'remove_signing_key', code.value, /no such signing key/],
  ['a signing key that is no key', { remove_signing_key: 'AAA' }, 'remove_signing_key', code.value, /no such signing key/],
  ['the identity key in place of a signing key', ({ keys: of }) => ({ remove_signing_key: of[id('acme')] }), 'remove_signing_key', code.value, /no such signing key/],
  ['the signing key of another account', ({ records }) => ({ remove_signing_key: records[id('other')].signing_public_key }), 'remove_signing_key', code.value, /no such signing key/],
  ['the key that signs', ({ records }) => ({ remove_signing_key: records[id('acme')].signing_public_key }), 'remove_signing_key', code.value,
    /one of the keys that sign/, { only: 'update' }],
  ['a key that is gone', ({ gone }) => ({ remove_signing_key: gone }), 'remove_signing_key', code.value, /no such signing key/, { only: 'update', update: id('rotated') }],
  ['an unknown key, and a new set', { add_signing_key: true, remove_signing_key: accountKey }, 'remove_signing_key', code.value, /no such signing key/, { only: 'update' }],
  ['an unknown key, and a rotation', { rotate_keys: true, remove_signing_key: accountKey }, 'remove_signing_key', code.value, /no such signing key/, { only: 'update' }],
  ['an unknown key, and a suspension', { active: false, remove_signing_key: accountKey }, 'remove_signing_key', code.value, /no such signing key/, { only: 'update' }],
];

/** What users, roles, exports and imports of the account need of it. */
export const together = [
  ['a name that feeds a template', { name: 'a.b' }, 'name', code.value, /account-name\(\)/, { only: 'update', update: id('templated') }],
  ['a name with a wildcard that feeds a template', { name: '*' }, 'name', code.value, /account-name\(\)/, { only: 'update', update: id('templated') }],
  ['a tag that a denial reads, taken away', { tags: [] }, 'tags', code.value, /no tag site/, { only: 'update', update: id('templated') }],
];

export const shared = [
  ['fewer exports than there are', { max_exports: 1 }, 'max_exports', code.value, /2 .*over the limit of 1/, { only: 'update', update: id('exporter') }],
  ['no exports where there are some', { max_exports: 0 }, 'max_exports', code.value, /2 .*over the limit of 0/, { only: 'update', update: id('exporter') }],
  ['no wildcards where one is exported', { allow_wildcard_exports: false }, 'allow_wildcard_exports', code.value, /wildcards.*"orders\.\*"/, { only: 'update', update: id('exporter') }],
  ['fewer imports than there are', { max_imports: 0 }, 'max_imports', code.value, /1 .*over the limit of 0/, { only: 'update', update: id('importer') }],
];

/** Of the system account. */
export const system = ['max_connections', 'max_payload', 'max_streams'].map((name) =>
  [`the system account's ${name}`, { [name]: 10 }, null, null, /system account keeps/, { only: 'update' }]).concat([
  ['another name for the system account', { name: 'root' }, null, null, /system account keeps/, { only: 'update' }],
  ['the end of the system account', { active: false }, null, null, /system account keeps/, { only: 'update' }],
  ['new keys for the system account', { rotate_keys: true }, null, null, /system account keeps/, { only: 'update' }],
]);
