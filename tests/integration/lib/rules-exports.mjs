// What exports and imports must not say.
import { createAccount, createOperator, createUser } from '@nats-io/nkeys';
import { encodeActivation, encodeUser } from '@nats-io/jwt';
import { badValues, booleans, code, id, integers, long, misread, misspelt, subjects as bad, texts, unknown } from './rules-fields.mjs';

const only = (name) => ({ only: 'update', update: id(name) });

/** Subjects as one field, which lists tell apart by their entries. */
const badSubjects = (names) => names.flatMap((name) => [
  ...badValues(name, [
    ...bad.always.filter(([subject]) => subject !== '' && subject.length < 257 && !/[\t\u0007\u007f]/.test(subject)),
    ...bad.published.filter(([subject]) => subject.trim() === subject),
    ...bad.templates,
  ], code.subject),
  ...badValues(name, [['a\tb', /control characters/], ['a.b\u0007', /control characters/], ['a.\u007f', /control characters/]], code.format),
]);

const badUrls = badValues('info_url', [
  ['example.org', /"example\.org" is not a URL with a scheme and a host/],
  ['https://example.org/%zz', /malformed/],
  ['https://', /is not a URL/],
  ['javascript:alert(1)', /is not a URL/],
  ['https://example.org/<script>', /is not a URL/],
]);

const badTypes = badValues('type', [
  ['Stream', /"Stream" is none of stream, service/],
  ['SERVICE', /"SERVICE" is none of stream, service/],
  ['services', /"services" is none of stream, service/],
  ['topic', /"topic" is none of stream, service/],
]);

const blank = (names) => names.flatMap((name) => badValues(name, [['', /Cannot be blank/]], code.required));

const owner = [
  ...badValues('account_id', [['aaaaaaaaaaaaaaa', /no account with this id/], ['x', /no account with this id/]], code.relation).map((row) => [...row, { only: 'create' }]),
  ...badValues('account_id', [[5, /not a number/], [null, /Must not be null/]], code.type),
  ['another account', { account_id: id('other') }, 'account_id', code.value, /set once and for all/, { only: 'update' }],
];

// ---- exports --------------------------------------------------------------------------

const exportSwitches = ['token_req', 'latency_headers', 'advertise', 'allow_trace'];
const exportNumbers = { response_threshold: [0, 86400000], latency_sampling: [0, 100], account_token_position: [0, 128] };
const exportTexts = ['name', 'subject', 'type', 'response_type', 'latency_results', 'description', 'info_url'];

export const exportKinds = [
  ...texts(exportTexts),
  ...long({ name: 100, subject: 256, type: 16, response_type: 16, latency_results: 256, description: 500, info_url: 2048 }),
  ...booleans(exportSwitches),
  ...integers(exportNumbers),
  ...blank(['name', 'subject', 'type']),
  ...blank(['account_id']).map((row) => [...row, { only: 'create' }]),
  ...misspelt([...exportTexts, ...exportSwitches, ...Object.keys(exportNumbers)]),
  ...unknown(['account', 'latency', 'service_latency', 'sampling', 'exporter', 'iat']),
  ['the key of the JWT', { tokenReq: true }, 'tokenReq', code.unknown, /did you mean "token_req"/],
  ...owner,
  ...badSubjects(['subject', 'latency_results']),
  ...badUrls,
  ...badTypes,
  ...badValues('response_type', [
    ['singleton', /"singleton" is none of Singleton, Stream, Chunked/],
    ['Streamed', /"Streamed" is none of Singleton, Stream, Chunked/],
  ]),
  ...badValues('latency_results', [['lag.*', /must not have wildcards/], ['lag.>', /must not have wildcards/], ['>', /must not have wildcards/]], code.subject),
  ...badValues('subject', [[' orders', /begin or end with a blank/], ['orders ', /begin or end with a blank/]], code.format),
];

/** Of a stream. */
export const streams = [
  ...['Singleton', 'Stream', 'Chunked'].map((value) => [`response_type: ${value}`, { response_type: value }, 'response_type', code.value, /Only services/]),
  ['response_threshold', { response_threshold: 100 }, 'response_threshold', code.value, /Only services/],
  ['latency_results', { latency_results: 'lag' }, 'latency_results', code.value, /Only services/],
  ['latency_sampling', { latency_sampling: 50 }, 'latency_sampling', code.value, /Only services/],
  ['latency_headers', { latency_headers: true }, 'latency_headers', code.value, /Only services/],
  ['allow_trace', { allow_trace: true }, 'allow_trace', code.value, /Only services/],
  ['a service that becomes a stream', { type: 'stream' }, 'response_type', code.value, /Only services/, only('answers')],
].map(([what, ...rest]) => [`a stream: ${what}`, ...rest]);

/** Of a service. */
export const services = [
  ['results of no measurement', { latency_results: 'lag' }, 'latency_sampling', code.required, /how many percent/],
  ['samples that go nowhere', { latency_sampling: 50 }, 'latency_results', code.required, /subject to go to/],
  ['measured headers that go nowhere', { latency_headers: true }, 'latency_results', code.required, /subject to go to/],
  ['samples and headers', { latency_sampling: 50, latency_headers: true, latency_results: 'lag' }, 'latency_headers', code.value, /not both/],
].map(([what, ...rest]) => [`a service: ${what}`, ...rest]);

export const positions = [
  [1, /Token 1 of the subject must be "\*"/],
  [3, /Token 3 of the subject must be "\*"/],
  [4, /Token 4 of the subject must be "\*"/],
  [128, /Token 128 of the subject must be "\*"/],
].map(([position, reason]) => [`account_token_position ${position} of news.*.>`,
  { subject: 'news.*.>', account_token_position: position }, 'account_token_position', code.value, reason]).concat([
  ['a subject without the token of the account', { subject: 'mine.a.b' }, 'account_token_position', code.value, /Token 2 of the subject must be "\*"/, only('positioned')],
  ['a token that no server asks for', { subject: 'news.*.>', account_token_position: 2, token_req: true }, 'token_req', code.value, /Servers ask for no token/],
]);

/** Beside { stream 'orders.*.new', service 'time.>' } of the account. */
export const overlaps = [
  ['the same subject again', { subject: 'orders.*.new' }, 'subject', code.subject, /overlaps with the stream "orders\.\*\.new"/],
  ['a part of it', { subject: 'orders.a.new' }, 'subject', code.subject, /overlaps with the stream "orders\.\*\.new"/],
  ['more than it', { subject: 'orders.>' }, 'subject', code.subject, /overlaps with the stream "orders\.\*\.new"/],
  ['all', { subject: '>' }, 'subject', code.subject, /overlaps with the stream/],
  ['a service within another', { subject: 'time.utc', type: 'service' }, 'subject', code.subject, /overlaps with the service "time\.>"/],
  ['a service around another', { subject: '*.>', type: 'service' }, 'subject', code.subject, /overlaps with the service "time\.>"/],
  ['a stream that becomes a service within another', { type: 'service' }, 'subject', code.subject, /overlaps with the service "time\.>"/, only('timestream')],
].map(([what, ...rest]) => [`an overlap: ${what}`, ...rest]).concat([
  ['an export with a token crosses another', { subject: 'orders.*.*', token_req: true }, 'subject', code.subject, /overlaps with/],
  ['an export with a token crosses one without', { subject: 'orders.new.*', token_req: true }, 'subject', code.subject, /It overlaps with the export "orders\.\*\.new"/],
]);

export const limits = [
  ['a wildcard where none is allowed', { account_id: id('strict'), subject: 'news.*' }, 'subject', code.subject, /may not export wildcards \(allow_wildcard_exports\)/, { only: 'create' }],
  ['a rest where none is allowed', { account_id: id('strict'), subject: 'news.>' }, 'subject', code.subject, /may not export wildcards/, { only: 'create' }],
  ['an export that gets a wildcard', { subject: 'strict.*' }, 'subject', code.subject, /may not export wildcards/, only('strictone')],
  ['one export too many', { account_id: id('full') }, 'account_id', code.many, /may have 1 exports \(max_exports\)/, { only: 'create' }],
  ['an export where there may be none', { account_id: id('closed') }, 'account_id', code.many, /may have 0 exports \(max_exports\)/, { only: 'create' }],
];

/** What others import. */
export const imported = [
  ['another subject than is imported', { subject: 'orders.*.old' }, null, null, /"importer" imports "orders\.eu\.new".*first/, only('orders')],
  ['less than is imported', { subject: 'orders.us.new' }, null, null, /"importer" imports "orders\.eu\.new"/, only('orders')],
  ['another type than is imported', { type: 'service' }, null, null, /"importer" imports "orders\.eu\.new"/, only('orders')],
  ['a position where others are', { account_token_position: 2 }, null, null, /"importer" imports "orders\.eu\.new"/, only('orders')],
];

// ---- imports --------------------------------------------------------------------------

const importSwitches = ['share', 'allow_trace'];
const importTexts = ['name', 'subject', 'local_subject', 'type', 'token', 'description'];

const outsider = createAccount();
const stranger = createAccount();
const from = (key) => ({ account: key.getPublicKey() });

export const importKinds = [
  ...texts(importTexts),
  ...long({ name: 100, subject: 256, local_subject: 256, type: 16, token: 10000, description: 500 }),
  ...booleans(importSwitches),
  ...blank(['name', 'subject', 'type']),
  ...blank(['account_id']).map((row) => [...row, { only: 'create' }]),
  ...misspelt([...importTexts, ...importSwitches]),
  ...unknown(['iat', 'exporter', 'to_', 'account_token_position', 'info_url']),
  ...owner,
  ...badSubjects(['subject', 'local_subject']),
  ...badTypes,
];

export const exporters = [
  ['no account', { account: '' }, 'account', code.required, /Cannot be blank/, { only: 'create' }],
  ...badValues('account', [
    ['nobody', /public key of an account \(A\.\.\.\): a public nkey has 56 characters, not 6/],
    [createUser().getPublicKey(), /expected a public key of role account, not user/],
    [createOperator().getPublicKey(), /expected a public key of role account, not operator/],
    [misread(outsider.getPublicKey()), /the checksum of the public nkey is wrong/],
  ], code.format),
  ...badValues('account', [[5, /not a number/], [null, /Must not be null/]], code.type),
  ['the exporter of an import', from(outsider), 'account', code.value, /set once and for all/, { only: 'update' }],
  ['an import from itself', ({ keys }) => ({ account: keys[id('importer')] }), 'account', code.value, /does not import from itself/, { only: 'create' }],
  ['an account that is none of ours, without a token', from(outsider), 'account', code.relation, /none of our accounts.*needs a token/, { only: 'create' }],
  ['an account that is suspended', ({ keys }) => ({ account: keys[id('suspended')] }), 'account', code.value, /"suspended" is suspended/, { only: 'create' }],
];

export const offers = [
  ['what is not exported', { subject: 'nothing.here' }, 'subject', code.subject, /"exporter" does not export this stream/],
  ['more than is exported', { subject: 'orders.>' }, 'subject', code.subject, /does not export this stream/],
  ['more than is exported, by a wildcard', { subject: 'orders.*.*' }, 'subject', code.subject, /does not export this stream/],
  ['all', { subject: '>' }, 'subject', code.subject, /does not export this stream/],
  ['less than a token of it', { subject: 'orders' }, 'subject', code.subject, /does not export this stream/],
  ['a stream as a service', { type: 'service' }, 'subject', code.subject, /does not export this service/],
  ['a service as a stream', { subject: 'time.now' }, 'subject', code.subject, /does not export this stream/],
  ['what is for another account', ({ keys }) => ({ subject: `mine.${keys[id('other')]}.x` }), 'subject', code.subject, /Token 2 must be the key of the importing account, A/],
  ['what is for each account, for all', { subject: 'mine.*.x' }, 'subject', code.subject, /Token 2 must be the key of the importing account/],
  ['a revoked activation', { subject: 'revoked' }, 'account', code.value, /"exporter" has revoked this for all accounts/],
];

export const terms = [
  ['a share of a stream', { share: true }, 'share', code.value, /Only services/],
  ['a trace of a service', { subject: 'time.now', type: 'service', allow_trace: true }, 'allow_trace', code.value, /Only streams/],
  ['one import too many', { account_id: id('full') }, 'account_id', code.many, /may have 1 imports \(max_imports\)/, { only: 'create' }],
  ['the same stream again', { subject: 'orders.us.new' }, 'subject', code.subject, /imports this stream already/],
  ['the same stream under another name', { subject: 'orders.us.new', local_subject: 'us' }, 'subject', code.subject, /imports this stream already/],
];

const service = { type: 'service' };

/** Beside { service 'time.utc', service 'zone.*' at 'my.*' } of the account. */
export const serviceOverlaps = [
  ['the same service again', { subject: 'time.utc' }, 'subject'],
  ['more than is there', { subject: 'time.>' }, 'subject'],
  ['another service at its place', { subject: 'time.now', local_subject: 'time.utc' }, 'local_subject'],
  ['a place within another one', { subject: 'time.now', local_subject: 'my.clock' }, 'local_subject'],
  ['a place that crosses another one', { subject: 'clock.*.x', local_subject: '$1.clock' }, 'local_subject'],
].map(([what, fields, field]) =>
  [`an overlap of services: ${what}`, { ...service, ...fields }, field, code.subject, /It overlaps with the imported service at "(time\.utc|my\.\*)"/]);

/** Of the stream "wide.*.*.x" and, where it says so, "rest.*.>". */
export const locals = [
  ['mine.>', 'wide.*.*.x', /both it and the subject end in ">", or none/],
  ['>', 'wide.*.*.x', /both it and the subject end in ">", or none/],
  ['mine.$1', 'rest.*.>', /both it and the subject end in ">", or none/],
  ['mine', 'wide.*.*.x', /has 0 of the 2 wildcards of the subject/],
  ['mine.*', 'wide.*.*.x', /has 1 of the 2 wildcards of the subject/],
  ['mine.$1', 'wide.*.*.x', /has 1 of the 2 wildcards of the subject/],
  ['mine.*.*.*', 'wide.*.*.x', /has 3 of the 2 wildcards of the subject/],
  ['mine.$1.$3', 'wide.*.*.x', /refers to a wildcard that is none of the 2 of the subject/],
  ['mine.$0.$1', 'wide.*.*.x', /refers to a wildcard that is none of the 2/],
  ['mine.$1.$1', 'wide.*.*.x', /\$1 is in it twice/],
  ['mine.$1.*', 'wide.*.*.x', /both "\*" and references such as \$1/],
  ['mine.$1.$2x', 'wide.*.*.x', /"\$2x" is neither a reference nor a word/],
  ['mine.$99999999999.$1', 'wide.*.*.x', /refers to a wildcard that is none of the 2/],
  ['mine.$1', 'wide.a.b.x', /refers to a wildcard that is none of the 0/],
].map(([local, subject, reason]) => [`local_subject ${local} of ${subject}`, { subject, local_subject: local }, 'local_subject', code.subject, reason]);

const now = () => Math.floor(Date.now() / 1000);

/** An activation of `subject` for the account "importer", from outside. */
async function activation(world, { issuer = outsider, to = world.keys[id('importer')], kind = 'stream', subject = 'outside.>', data = {}, opts = {} } = {}) {
  return encodeActivation('activation', to, issuer, kind, { subject, ...data }, opts);
}

const withToken = (what, make, reason, fields = {}) =>
  [what, async (world) => ({ ...from(outsider), subject: 'outside.x', token: await make(world), ...(typeof fields === 'function' ? fields(world) : fields) }), 'token', code.value, reason, { only: 'create' }];

async function tampered(world) {
  const [header, payload, signature] = (await activation(world, { subject: 'outside.y' })).split('.');
  const claims = JSON.parse(Buffer.from(payload, 'base64url'));
  claims.nats.subject = '>';
  return [header, Buffer.from(JSON.stringify(claims)).toString('base64url'), signature].join('.');
}

export const tokens = [
  withToken('a token that is none', () => 'garbage', /token|JWT|parts/i),
  withToken('a token of three parts that are none', () => 'a.b.c', /token|JWT|base64|header/i),
  withToken('half a token', async (world) => (await activation(world)).slice(0, -40), /signature/),
  withToken('a token that was changed', tampered, /signature of the token is wrong/),
  withToken('the JWT of a user', () => encodeUser('u', createUser(), outsider), /no activation/),
  withToken('a token of another account', (world) => activation(world, { issuer: stranger }), /issued by another account/),
  withToken('a token of another account, in the name of a third', (world) => activation(world, { data: { issuer_account: stranger.getPublicKey() } }), /issued by another account/),
  withToken('a token for another account', (world) => activation(world, { to: world.keys[id('other')] }), /for another account/),
  withToken('a token for a service', (world) => activation(world, { kind: 'service' }), /not for a stream/),
  withToken('a token for a stream', (world) => activation(world), /not for a service/, service),
  withToken('a token for another subject', (world) => activation(world, { subject: 'inside.>' }), /does not cover "outside\.x"/),
  withToken('a token for less', (world) => activation(world, { subject: 'outside.*' }), /does not cover "outside\.>"/, { subject: 'outside.>' }),
  withToken('an expired token', (world) => activation(world, { opts: { exp: now() - 60 } }), /has expired/),
  withToken('a token for later', (world) => activation(world, { opts: { nbf: now() + 3600 } }), /not valid yet/),
  withToken('a token of a stranger for an account of ours', (world) => activation(world, { subject: 'orders.>', data: { issuer_account: world.keys[id('exporter')] } }),
    /not signed by a key of the account "exporter"/, ({ keys }) => ({ account: keys[id('exporter')], subject: 'orders.fresh.new' })),
];

const circle = (what, closing, path) => [`a circle ${what}`, closing, 'account', code.value, new RegExp(`circle: .*${path}`), { only: 'create' }];
const toA = (exporter, fields) => ({ keys }) => ({ account_id: id('a'), account: keys[id(exporter)], ...fields });

/** b imports from a, c imports from b, and a must not import it back. (Servers would take the one of three by other names.) */
export const cycles = [
  circle('of two', toA('b', { subject: 'ring', local_subject: 'ring' }), 'a > b > a'),
  circle('of two, by another name', toA('b', { subject: 'loop.b', local_subject: 'loop.a' }), 'a > b > a'),
  circle('of three', toA('c', { subject: 'ring', local_subject: 'ring' }), 'a > c > b > a'),
  circle('of three, by other names', toA('c', { subject: 'loop.c', local_subject: 'loop.a' }), 'a > c > b > a'),
  circle('of streams', toA('c', { subject: 'flow', type: 'stream' }), 'a > c > b > a'),
  ['an import that closes a circle when it changes', { subject: 'ring', local_subject: 'ring' }, 'account', code.value, /circle: .*a > b > a/, { only: 'update' }],
];
