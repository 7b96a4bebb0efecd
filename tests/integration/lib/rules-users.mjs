// What a user must not say.
import { createAccount, createUser } from '@nats-io/nkeys';
import {
  badEntries, badValues, booleans, claims, code, connectionRules, id, integers, lists, long, misread, misspelt, plainSubjects, texts, unknown,
} from './rules-fields.mjs';

const int32 = [-1, 2 ** 31 - 1];
const limits = { max_subscriptions: int32, max_data: [-1, Number.MAX_SAFE_INTEGER], max_payload: int32 };
const switches = ['active', 'bearer_token', 'proxy_required', 'emailVisibility', 'verified'];
const triggers = ['regenerate', 'revoke'];
const published = ['publish_permissions', 'publish_deny_permissions'];
const subscribed = ['subscribe_permissions', 'subscribe_deny_permissions'];
const plain = ['nats_username', 'full_name', 'description', 'times_location', 'email'];
const others = ['networks', 'connection_types', 'time_windows', 'tags', 'public_key', 'jwt_expires_at', 'account_id', 'role_id', 'password', 'passwordConfirm'];

const userKey = createUser().getPublicKey();
const accountKey = createAccount().getPublicKey();
const seed = new TextDecoder().decode(createUser().getSeed());
/** Brought along by the user "own". */
export const ownKey = createUser().getPublicKey();

export const kinds = [
  ...texts([...plain, 'password']),
  ...long({ nats_username: 100, full_name: 100, description: 500, times_location: 100, email: 254 }),
  ...booleans([...switches, ...triggers]),
  ...integers(limits, { nullable: true }),
  ...lists([...published, ...subscribed], 256, (i) => `s.${i}`, { nullable: true }),
  ...lists(['networks'], 64, (i) => `10.0.${i}.0/24`, { nullable: true }),
  ...lists(['connection_types'], 64, () => 'STANDARD', { nullable: true }),
  ...lists(['tags'], 64, (i) => `tag-${i}`),
  ...claims(['time_windows'], { nullable: true }),
  ...misspelt([...plain, ...Object.keys(limits), ...switches, ...triggers, ...published, ...subscribed, ...others].filter((name) => name !== 'email')),
  ...unknown(['overrides', 'password_hash', 'token_key', 'iat', 'exp', 'issued_until', 'issued_set', 'unknown_set', 'superseded', 'permissions', 'src', 'oldPassword_']),
  ['a field in camel case', { natsUsername: 'x' }, 'natsUsername', code.unknown, /did you mean "nats_username"/],
  ['another spelling of a field', { jwt_expire_at: '' }, 'jwt_expire_at', code.unknown, /did you mean "jwt_expires_at"/],
  ...badValues('nats_username', [['', /Cannot be blank/]], code.required),
  ...badValues('nats_username', [
    [' probe', /begin or end with a blank/],
    ['probe ', /begin or end with a blank/],
    ['a\nb', /control characters/],
    ['a\u001b[2J', /control characters/],
  ], code.format),
  ...badValues('full_name', [['a\nb', /control characters/]], code.format),
  ['the name of another user', { nats_username: 'other' }, 'nats_username', code.unique, /unique/],
  ...badValues('email', [
    ['nobody', /valid email/],
    ['nobody@', /valid email/],
    ['@example.org', /valid email/],
    ['a b@example.org', /valid email/],
    ['a@b@example.org', /valid email/],
    ['a@example..org', /valid email/],
  ], code.email),
  ['the e-mail of another user', { email: 'other@example.org' }, 'email', code.unique, /unique/],
  ['a short password', { password: 'short', passwordConfirm: 'short' }, 'password', code.minText, /at least 8/],
  ['a password of 129 bytes', { password: 'x'.repeat(129), passwordConfirm: 'x'.repeat(129) }, 'password', code.maxText, /at most 128/],
  ['passwords that differ', { password: 'a long password', passwordConfirm: 'another password' }, 'passwordConfirm', code.mismatch, /match/],
];

export const relations = [
  ...['account_id', 'role_id'].flatMap((name) => {
    const noun = name.slice(0, -3);
    return [
      ...badValues(name, [['aaaaaaaaaaaaaaa', null], ["' OR 1=1 --", null], ['a'.repeat(16), null], [noun, null]].map(([value]) =>
        [value, new RegExp(`no ${noun} with this id`)]), code.relation),
      ...badValues(name, [[5, /not a number/], [[], /not a list/], [null, /Must not be null/]], code.type),
    ];
  }),
  ['no account', { account_id: '' }, 'account_id', code.required, /Cannot be blank/],
  ['no role, and no default role', { role_id: '' }, 'role_id', code.required, /there is no default role/],
  ['the id of a role for an account', { account_id: id('sensor') }, 'account_id', code.relation, /no account with this id/],
  ['the id of an account for a role', { role_id: id('acme') }, 'role_id', code.relation, /no role with this id/],
];

export const keys = [
  ...badValues('public_key', [
    [accountKey, /public key of a user \(U\.\.\.\): expected a public key of role user, not account/],
    [misread(userKey), /the checksum of the public nkey is wrong/],
    [userKey.slice(1), /a public nkey has 56 characters, not 55/],
    [userKey.toLowerCase(), /not base32/],
    [seed, /a public nkey has 56 characters, not 58/],
    ['nobody', /a public nkey has 56 characters, not 6/],
  ], code.format),
  ...badValues('public_key', [[5, /not a number/], [null, /Must not be null/], [[userKey], /not a list/]], code.type),
  ['the key of another user', { public_key: ownKey }, 'public_key', code.unique, /unique/, { only: 'create' }],
  ['the key of another user, in place of one that is revoked', { public_key: ownKey, revoke: true }, 'public_key', code.unique, /unique/, { only: 'update' }],
  ['another key without a revocation', { public_key: userKey }, 'public_key', code.value, /revoke/, { only: 'update' }],
  ['another key without a revocation, and a regeneration', { public_key: userKey, regenerate: true }, 'public_key', code.value, /revoke/, { only: 'update' }],
  ['another key without a revocation, of an own one', { public_key: userKey }, 'public_key', code.value, /revoke/, { only: 'update', update: id('own') }],
  ['a revocation without the new own key', { revoke: true }, 'public_key', code.required, /send the new public_key/, { only: 'update', update: id('own') }],
  ['a revocation with the key that it revokes', { revoke: true, public_key: ownKey }, 'public_key', code.required, /send the new public_key/, { only: 'update', update: id('own') }],
  ['a new user that is revoked', { revoke: true }, 'revoke', code.value, /new has nothing to take back/, { only: 'create' }],
  ['a new user that is regenerated', { regenerate: true }, 'regenerate', code.value, /new has nothing to take back/, { only: 'create' }],
];

const past = new Date(Date.now() - 60_000).toISOString();
const late = /Must be in the future/;

export const expiry = [
  ...badValues('jwt_expires_at', [[5, /not a number/], [null, /Must not be null/], [true, /not a boolean/]], code.type),
  ...badValues('jwt_expires_at', [
    ['tomorrow', /Must be a date like "2030-01-31 12:00:00\.000Z"/],
    ['2030-13-01 00:00:00.000Z', /Must be a date/],
    ['2030-02-30 00:00:00.000Z', /Must be a date/],
    ['2030-01-01 25:00:00.000Z', /Must be a date/],
    ['30d', /Must be a date/],
    ['1893456000', /Must be a date/],
  ], code.date),
  ...['2001-01-01 00:00:00.000Z', past, '1970-01-01 00:00:00.001Z'].map((value) =>
    [`jwt_expires_at: ${value === past ? 'a minute ago' : value}`, { jwt_expires_at: value }, 'jwt_expires_at', code.date, late]),
];

export const overrides = [
  ['the place of time windows that there are not', { times_location: 'Europe/Berlin' }, 'times_location', code.value, /belongs to time_windows/],
  ['a bearer token where the account allows none', { account_id: id('strict'), bearer_token: true }, 'bearer_token', code.value, /The account disallows bearer tokens/],
  ['a bearer token of the role where the account allows none', { account_id: id('strict'), role_id: id('bearer') }, 'role_id', code.value, /The account disallows bearer tokens/],
  ...plainSubjects(published, subscribed),
  ...connectionRules,
  ...badEntries('tags', [
    ['', /its key must be of a-z/],
    ['Site:berlin', /its key must be of a-z/],
    ['site:', /its value must be of A-Z/],
    ['site:a.b', /"site:a\.b": its value must be of A-Z, a-z, 0-9, _ and -/],
    ['site:>', /its value must be of A-Z/],
    ['site:{{name()}}', /its value must be of A-Z/],
    ['x'.repeat(65), /a tag of 65 bytes, 64 are the most/],
  ]),
];

const subjectsOf = (count) => Array.from({ length: count }, (_, i) => `a.long.subject.of.a.list.${i}`);
const tooLarge = [null, null, /JWT of the user would have \d{4} bytes, more than the 3000.*into a role, with templates/];

export const size = [
  ...[...published, ...subscribed].map((name) => [`${name}: 100 subjects`, { [name]: subjectsOf(100) }, ...tooLarge]),
  ['64 networks and 100 subjects', { networks: Array.from({ length: 64 }, (_, i) => `10.0.${i}.0/24`), publish_permissions: subjectsOf(100) }, ...tooLarge],
];

const named = { create: { role_id: id('named') } };

/** What the role's templates ask of names and tags. */
export const templates = [
  ...['a.b', 'a b', '*', '>', 'a*', 'münchen', 'a$b', 'a/b'].map((name) =>
    [`the name ${name} where it feeds a template`, { nats_username: name }, 'nats_username', code.value, /\{\{name\(\)\}\}.*A-Z, a-z, 0-9, _ and -/, { ...named, update: id('named') }]),
  ['a move to a role that the name feeds', { role_id: id('named') }, 'nats_username', code.value, /\{\{name\(\)\}\}/, { only: 'update', update: id('dotted') }],
  ['an account whose name feeds a template', { account_id: id('blank') }, 'account_id', code.value, /account.*\{\{account-name\(\)\}\}/,
    { create: { role_id: id('account') }, update: id('account') }],
  ['a move to a role that the name of the account feeds', { role_id: id('account') }, 'account_id', code.value, /\{\{account-name\(\)\}\}/, { only: 'update', update: id('away') }],
  ['no tag that a denial reads', { tags: [] }, 'tags', code.value, /no tag site/, { create: { role_id: id('denied') }, update: id('tagged') }],
  ['other tags than a denial reads', { tags: ['room:1', 'site'] }, 'tags', code.value, /no tag site/, { create: { role_id: id('denied') }, update: id('tagged') }],
  ['a move to a role whose denial reads a tag', { role_id: id('denied') }, 'tags', code.value, /no tag site/],
  ['an account without the tag that a denial reads', { account_id: id('blank') }, 'account_id', code.value, /account has no tag site/,
    { create: { role_id: id('atagged') }, update: id('atagged') }],
  ['tags that make more subjects than servers fill in', { tags: Array.from({ length: 60 }, (_, i) => `${'abc'[i % 3]}:${i}`) }, 'tags', code.value, /more than \d+ subjects/,
    { create: { role_id: id('many') }, update: id('many') }],
];
