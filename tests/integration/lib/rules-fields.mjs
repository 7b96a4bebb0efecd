// Rows that the kind of a field tells, for the rule tables: [what, fields, field, code, reason, options].

export const code = {
  type: 'validation_invalid_type',
  value: 'validation_invalid_value',
  subject: 'validation_invalid_subject',
  format: 'validation_invalid_format',
  required: 'validation_required',
  unique: 'validation_not_unique',
  relation: 'validation_missing_rel_records',
  minText: 'validation_min_text_constraint',
  maxText: 'validation_max_text_constraint',
  min: 'validation_min_number_constraint',
  max: 'validation_max_number_constraint',
  integer: 'validation_only_int_constraint',
  number: 'validation_not_a_number',
  many: 'validation_too_many_values',
  date: 'validation_invalid_date',
  email: 'validation_is_email',
  mismatch: 'validation_values_mismatch',
  unknown: 'validation_unknown_field',
};

/** A value as a part of a test's name: the same in every run, and nothing in it that a terminal would not show. */
export const shown = (value) => JSON.stringify(value)
  .replace(/[^ -~]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)
  .replace(/\b([A-Z])[A-Z2-7]{54,57}\b/gi, '$1...')
  .slice(0, 80);

const escape = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

// ---- rows that the kind of a field tells ----------------------------------------------

export const texts = (names) => names.flatMap((name) => [
  [`${name}: a number`, { [name]: 5 }, name, code.type, /Must be a string, not a number/],
  [`${name}: null`, { [name]: null }, name, code.type, /Must not be null; leave the field out/],
]);

export const long = (lengths) => Object.entries(lengths).map(([name, most]) =>
  [`${name}: ${most + 1} characters`, { [name]: 'ä'.repeat(most + 1) }, name, code.maxText, new RegExp(`at most ${most} characters, not ${most + 1}`)]);

export const booleans = (names) => names.flatMap((name) => [
  [`${name}: 1`, { [name]: 1 }, name, code.type, /Must be true or false, not a number/],
  [`${name}: a word`, { [name]: 'yes' }, name, code.type, /Must be true or false/],
  [`${name}: null`, { [name]: null }, name, code.type, /Must not be null/],
]);

/** ranges: {name: [least, most]} */
export const integers = (ranges, { nullable = false } = {}) => Object.entries(ranges).flatMap(([name, [least, most]]) => [
  [`${name}: ${least - 1}`, { [name]: least - 1 }, name, code.min, new RegExp(`at least ${least}\\.`)],
  [`${name}: over ${most}`, { [name]: `${BigInt(most) + 1n}` }, name, code.max, new RegExp(`at most ${most}\\.`)],
  [`${name}: a fraction`, { [name]: 1.5 }, name, code.integer, /without a fraction/],
  [`${name}: a number with a unit`, { [name]: '10k' }, name, code.number, /Must be an integer/],
  [`${name}: a boolean`, { [name]: true }, name, code.type, /Must be an integer, not a boolean/],
  ...(nullable ? [] : [[`${name}: null`, { [name]: null }, name, code.type, /Must not be null/]]),
]);

/** most: of entries; entry: a good one, by its number. */
export const lists = (names, most, entry, { nullable = false } = {}) => names.flatMap((name) => [
  [`${name}: a text`, { [name]: entry(0) }, name, code.type, /list of strings, not a string/],
  [`${name}: an object`, { [name]: {} }, name, code.type, /list of strings, not an object/],
  [`${name}: a list in the list`, { [name]: [entry(0), [entry(1)]] }, name, code.type, /Entry 1: must be a string, not a list/],
  [`${name}: ${most + 1} entries`, { [name]: Array.from({ length: most + 1 }, (_, i) => entry(i)) }, name, code.many, new RegExp(`at most ${most} entries, not ${most + 1}`)],
  ...(nullable ? [] : [[`${name}: null`, { [name]: null }, name, code.type, /null: \[\] means nothing/]]),
]);

export const claims = (names, { nullable = false } = {}) => names.flatMap((name) => [
  [`${name}: a text`, { [name]: '{}' }, name, code.type, /an object or a list, not a string/],
  [`${name}: a number`, { [name]: 1 }, name, code.type, /an object or a list, not a number/],
  ...(nullable ? [] : [[`${name}: null`, { [name]: null }, name, code.type, /Must not be null/]]),
]);

/** The last letter forgotten: a suggestion tells the right name. */
export const misspelt = (names) => names.map((name) =>
  [`${name} without its last letter`, { [name.slice(0, -1)]: true }, name.slice(0, -1), code.unknown, new RegExp(`did you mean "${escape(name)}"`)]);

export const unknown = (names) => names.map((name) =>
  [`a field ${name}`, { [name]: 1 }, name, code.unknown, /^Unknown field\.$/]);

/** Each [subject, reason] as the second entry of the list, which the reason has to name. */
export const badSubjects = (names, subjects) => names.flatMap((name) => subjects.map(([subject, reason]) =>
  [`${name}: ${shown(subject)}`, { [name]: ['fine.>', subject] }, name, code.subject, new RegExp(`^Entry 1: .*${reason.source}`)]));

/** Each [entry, reason] as the only entry of the list. */
export const badEntries = (name, entries) => entries.map(([entry, reason]) =>
  [`${name}: ${shown(entry)}`, { [name]: [entry] }, name, code.value, new RegExp(`^Entry 0: .*${reason.source}`)]);

/** Each [value, reason] in the field. */
export const badValues = (name, values, code_ = code.value) => values.map(([value, reason]) =>
  [`${name}: ${shown(value)}`, { [name]: value }, name, code_, reason]);

// ---- what no subject may be -------------------------------------------------------------

export const subjects = {
  always: [
    ['', /the subject is empty/],
    ['a..b', /empty token at position 2/],
    ['.a', /empty token at position 1/],
    ['a.', /empty token at position 2/],
    ['>.a', /">" at position 1, it may only be the last token/],
    ['a.>.b', /">" at position 2, it may only be the last token/],
    ['a\tb', /control character in the token at position 1/],
    ['a.b\u0007', /control character in the token at position 2/],
    ['a.\u007f', /control character in the token at position 2/],
    ['a.b\u00a0c', /space in the token at position 2/],
    ['a\u2003b', /space in the token at position 1/],
    ['a\u3000', /space in the token at position 1/],
    ['a\u0085b', /space in the token at position 1/],
    ['x'.repeat(257), /longer than 256 bytes/],
  ],
  published: [
    ['a b', /space in the token at position 1/],
    ['orders.new workers', /space in the token at position 2/],
    [' a', /space in the token at position 1/],
    ['a ', /space in the token at position 1/],
  ],
  subscribed: [
    ['a b c', /more than one space, the form is "subject queue"/],
    ['a  b', /more than one space/],
    ['a ', /no queue after the space/],
    [' a', /the subject is empty/],
    ['a..b queue', /empty token at position 2/],
    ['a x..y', /queue: empty token at position 2/],
    ['a >.x', /queue: ">" at position 1/],
  ],
  templates: [
    ['{{name()}}.>', /templates.*belong into the lists of roles/],
    ['user.{{tag(site)}}', /templates.*belong into the lists of roles/],
    ['user.{{nothing()}}', /templates.*belong into the lists of roles/],
    ['user.{{name()', /templates.*belong into the lists of roles/],
  ],
};

/** Two lists that publish and two that subscribe, in which templates have no place. */
export const plainSubjects = (published, subscribed) => [
  ...badSubjects(published, [...subjects.always, ...subjects.published, ...subjects.templates]),
  ...badSubjects(subscribed, [...subjects.always, ...subjects.subscribed, ...subjects.templates]),
];

// ---- what roles and users say alike --------------------------------------------------------

export const connectionRules = [
  ...badEntries('networks', [
    ['', /is not a network/],
    ['any', /"any" is not a network/],
    ['10.0.0.1', /"10\.0\.0\.1" is not a network like 10\.0\.0\.0\/8/],
    ['10.0.0.0/33', /is not a network/],
    ['10.0.0.0/-1', /is not a network/],
    ['10.0.0.0/08', /is not a network/],
    ['10.0.0.0/', /is not a network/],
    ['10.0.0/8', /is not a network/],
    ['010.0.0.0/8', /is not a network/],
    ['300.0.0.0/8', /is not a network/],
    ['10.0.0.0/8 ', /is not a network/],
    ['10.0.0.0/255.0.0.0', /is not a network/],
    ['localhost/8', /is not a network/],
    ['fd00::/129', /is not a network/],
    ['fd00:::/8', /is not a network/],
    ['fe80::1%eth0/64', /is not a network/],
  ]),
  ...badEntries('connection_types', [
    ['', /is none of STANDARD, WEBSOCKET/],
    ['TCP', /"TCP" is none of STANDARD, WEBSOCKET, LEAFNODE, LEAFNODE_WS, MQTT, MQTT_WS, IN_PROCESS/],
    ['standard', /"standard" is none of/],
    ['WEBSOCKETS', /"WEBSOCKETS" is none of/],
    ['LEAF', /"LEAF" is none of/],
  ]),
  ...badValues('times_location', [
    ['Local', /"Local" is not the name of a time zone/],
    ['local', /is not the name of a time zone/],
    ['../../etc/passwd', /is not the name of a time zone/],
    ['/etc/localtime', /is not the name of a time zone/],
    ['Europe/', /is not the name of a time zone/],
    ['Europe//Berlin', /is not the name of a time zone/],
    ['Europe/Berlin ', /is not the name of a time zone/],
    ['+01:00', /is not the name of a time zone/],
  ]),
  ...badValues('time_windows', [
    [{}, /not an array of time windows/],
    [['08:00:00'], /time window 1: not an object/],
    [[{ start: '08:00:00', end: '17:00:00' }, []], /time window 2: not an object/],
    [[{ start: '08:00:00' }], /time window 1: end is missing/],
    [[{ end: '08:00:00' }], /time window 1: start is missing/],
    [[{ start: 8, end: '17:00:00' }], /time window 1: start is not a string/],
    [[{ start: '08:00:00', end: null }], /time window 1: end is not a string/],
    [[{ start: '08:00:00', end: '17:00:00', day: 'Monday' }], /time window 1: unknown member "day"/],
    [[{ start: '08:00:00', until: '17:00:00' }], /time window 1: unknown member "until"/],
    [[{ start: '8:00:00', end: '17:00:00' }], /time window 1: "start" is not a time of day such as 08:00:00/],
    [[{ start: '08:00', end: '17:00:00' }], /"start" is not a time of day/],
    [[{ start: '08:00:00', end: '24:00:00' }], /"end" is not a time of day/],
    [[{ start: '08:60:00', end: '17:00:00' }], /"start" is not a time of day/],
    [[{ start: '08:00:00', end: '17:00:60' }], /"end" is not a time of day/],
    [[{ start: '08.00.00', end: '17:00:00' }], /"start" is not a time of day/],
    [[{ start: '', end: '17:00:00' }], /"start" is not a time of day/],
    [[{ start: '08:00:00', end: '08:00:00' }], /time window 1: start and end are equal/],
    [[{ start: '00:00:00', end: '00:00:00' }], /servers would let nobody in; for the whole day leave the time windows out/],
    [Array.from({ length: 33 }, () => ({ start: '08:00:00', end: '17:00:00' })), /33 time windows, at most 32/],
  ]),
];

// ---- small things ----------------------------------------------------------------------------

/** 15 letters that begin with these. */
export const id = (name) => name.padEnd(15, 'x').slice(0, 15);

/** A public key with one letter that is another one. */
export const misread = (key) => `${key.slice(0, 10)}${key[10] === 'A' ? 'B' : 'A'}${key.slice(11)}`;
