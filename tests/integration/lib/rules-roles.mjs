// What a role must not say.
import {
  badSubjects, badValues, booleans, claims, code, connectionRules, id, integers, lists, long, misspelt, subjects as bad, texts, unknown,
} from './rules-fields.mjs';

const int32 = [-1, 2 ** 31 - 1];
const limits = {
  allow_response_max: int32, allow_response_ttl: [0, 86400], max_subscriptions: int32, max_data: [-1, Number.MAX_SAFE_INTEGER],
  max_payload: int32, default_lifetime: [0, 10 * 366 * 86400],
};
const switches = ['is_default', 'allow_response', 'bearer_token', 'proxy_required'];
const published = ['publish_permissions', 'publish_deny_permissions'];
const subscribed = ['subscribe_permissions', 'subscribe_deny_permissions'];
const plain = ['name', 'description', 'times_location'];

export const kinds = [
  ...texts(plain),
  ...long({ name: 100, description: 500, times_location: 100 }),
  ...booleans(switches),
  ...integers(limits),
  ...lists([...published, ...subscribed], 256, (i) => `s.${i}`),
  ...lists(['networks'], 64, (i) => `10.0.${i}.0/24`),
  ...lists(['connection_types'], 64, () => 'STANDARD'),
  ...claims(['time_windows']),
  ...misspelt([...plain, ...Object.keys(limits), ...switches, ...published, ...subscribed, 'networks', 'connection_types', 'time_windows']),
  ...unknown(['feeds', 'account_id', 'src', 'times', 'permissions', 'tags', 'jwt_expires_at']),
  ['a singular', { publish_deny_permission: ['a'] }, 'publish_deny_permission', code.unknown, /did you mean "publish_deny_permissions"/],
  ['a field in camel case', { bearerToken: true }, 'bearerToken', code.unknown, /did you mean "bearer_token"/],
  ['a modifier of a list', { '+publish_permissions': 'a' }, '+publish_permissions', code.unknown, /Modifiers are not supported/],
  ...badValues('name', [['', /Cannot be blank/]], code.required),
  ...badValues('name', [[' a', /begin or end with a blank/], ['a ', /begin or end with a blank/]], code.format),
  ...badValues('name', [['a\r\nb', /control characters/], ['\u001b[2J', /control characters/]], code.format),
  ['the name of another role', { name: 'other' }, 'name', code.unique, /unique/],
  ['a second default role', { is_default: true }, 'is_default', code.unique, /Another role is the default already/],
  ...connectionRules,
];

const unclosed = (byte) => new RegExp(`"\\{\\{" at byte ${byte} is not closed`);
const oneOf = /there are name\(\), subject\(\), account-name\(\), account-subject\(\), tag\(x\) and account-tag\(x\)/;

/** Of every list of a role. */
const templates = [
  ['user.{{name()', unclosed(6)],
  ['{{', unclosed(1)],
  ['user.{{name()}', unclosed(6)],
  ['{{name()}}.{{subject()', unclosed(12)],
  ['user.name()}}', /"\}\}" at byte 12 closes nothing/],
  ['{{name()}}.x}}', /"\}\}" at byte 13 closes nothing/],
  ['user.{{}}', /unknown template "\{\{\}\}" at byte 6/],
  ['user.{{nothing()}}', new RegExp(`unknown template "\\{\\{nothing\\(\\)\\}\\}" at byte 6; ${oneOf.source}`)],
  ['user.{{NAME()}}', /unknown template "\{\{NAME\(\)\}\}"/],
  ['user.{{Name()}}', /unknown template/],
  ['user.{{name}}', /unknown template "\{\{name\}\}"/],
  ['user.{{name(x)}}', /unknown template/],
  ['user.{{ name() }}', /unknown template/],
  ['user.{{account_name()}}', /unknown template/],
  ['user.{{account-key()}}', /unknown template/],
  ['user.{{tag}}', /unknown template/],
  ['user.{{tag()}}', /unknown template|the key of a tag is/],
  ['user.{{TAG(site)}}', /unknown template/],
  ['user.{{tag(Site)}}', /"\{\{tag\(Site\)\}\}" at byte 6: the key of a tag is 1 to \d+ of a-z, 0-9, _ and -/],
  ['user.{{tag(my site)}}', /the key of a tag is/],
  ['user.{{tag(a.b)}}', /the key of a tag is/],
  ['user.{{tag(*)}}', /the key of a tag is/],
  ['user.{{account-tag(Ü)}}', /the key of a tag is/],
  [`user.{{tag(${'x'.repeat(80)})}}`, /the key of a tag is/],
  ['user.{{tag({{name()}})}}', /the key of a tag is|unknown template/],
  ['{{name()}}..x', /empty token at position 2/],
  ['>.{{name()}}', /">" at position 1/],
];

const withQueue = [
  ['orders.{{name()}} workers', /a subject with templates cannot have a queue/],
  ['orders.* {{name()}}', /a subject with templates cannot have a queue/],
  ['{{tag(site)}} {{tag(site)}}', /a subject with templates cannot have a queue/],
];

export const subjects = [
  ...badSubjects(published, [...bad.always, ...bad.published, ...templates]),
  ...badSubjects(subscribed, [...bad.always, ...bad.subscribed, ...templates, ...withQueue]),
  ...subscribed.map((name) => [`${name}: a queue beside a template`, { [name]: ['{{name()}}.>', 'orders.* workers'] }, name, code.subject,
    /"orders\.\* workers": a queue cannot be in a list with templates/]),
  ...['publish_deny_permissions', 'subscribe_deny_permissions'].flatMap((name) => ['user-{{name()}}', '{{name()}}x.>', '{{name()}}{{subject()}}'].map((entry) =>
    [`${name}: ${entry}`, { [name]: ['fine.>', entry] }, name, code.subject, /Entry 1: a template that is denied must be a whole token/])),
  ['the place of time windows that there are not', { times_location: 'Europe/Berlin' }, 'times_location', code.value, /belongs to time_windows/],
  ['a place that there is not', { time_windows: [{ start: '08:00:00', end: '09:00:00' }], times_location: 'Europe/Nowhere' },
    'times_location', code.value, /not a time zone/],
  ['a tag twice in an entry', { publish_permissions: ['{{tag(n)}}.x.{{tag(n)}}'] }, 'publish_permissions', code.subject, /may be in it once/],
];

const only = (name) => ({ only: 'update', update: id(name) });
const oneTag = 'site.{{tag(site)}}';

/** What the users of a role and their accounts make of it. */
export const users = [
  ...['publish_permissions', 'subscribe_permissions', 'publish_deny_permissions', 'subscribe_deny_permissions'].flatMap((name) => [
    [`${name}: names of users that are no tokens`, { [name]: ['user.{{name()}}'] }, name, code.value, /\{\{name\(\)\}\}.*A-Z.*"dotted\.name"/, only('dotted')],
    [`${name}: names of accounts that are no tokens`, { [name]: ['a.{{account-name()}}'] }, name, code.value, /\{\{account-name\(\)\}\}.*A-Z.*"an account"/, only('dotted')],
  ]),
  ['a denial that reads a tag that a user does not have', { publish_deny_permissions: [oneTag] }, 'publish_deny_permissions', code.value,
    /"plain".*no tag site/, only('plain')],
  ['a denial that reads a tag that an account does not have', { subscribe_deny_permissions: ['site.{{account-tag(site)}}'] }, 'subscribe_deny_permissions', code.value,
    /account has no tag site/, only('plain')],
  ['a denial that reads another tag', { subscribe_deny_permissions: ['site.{{tag(room)}}'] }, 'subscribe_deny_permissions', code.value,
    /"tagged".*no tag room/, only('tagged')],
  ['more subjects than servers fill in', { publish_permissions: ['{{tag(a)}}.{{tag(b)}}.{{tag(c)}}'] }, 'publish_permissions', code.value,
    /"many".*more than \d+ subjects/, only('many')],
  ['more than there is room for in the JWT of a user with permissions of its own', { publish_permissions: Array.from({ length: 100 }, (_, i) => `a.long.subject.of.a.list.${i}`) },
    'publish_permissions', code.value, /JWT of user "own".*\d{4} bytes, of 3000/, only('own')],
  ['the same in a list of denials', { subscribe_deny_permissions: Array.from({ length: 100 }, (_, i) => `a.long.subject.of.a.list.${i}`) },
    'subscribe_deny_permissions', code.value, /JWT of user "own".*\d{4} bytes, of 3000/, only('own')],
];
