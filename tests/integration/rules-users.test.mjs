// What a user must not say is refused before anything is written, with the field and the reason.
import { inWorld, refuses } from './lib/rules.mjs';
import { id } from './lib/rules-fields.mjs';
import * as rules from './lib/rules-users.mjs';

const fresh = { nats_username: 'fresh', account_id: id('acme'), role_id: id('sensor') };
const user = { collection: 'nats_users', create: fresh, update: id('probe') };

async function fill(world) {
  await world.make('nats_accounts', { id: id('acme'), name: 'acme' });
  await world.make('nats_roles', { id: id('sensor'), name: 'sensor', publish_permissions: ['data.>'] });
  await world.make('nats_accounts', { id: id('strict'), name: 'strict', disallow_bearer: true });
  await world.make('nats_roles', { id: id('bearer'), name: 'bearer', bearer_token: true });
  await addUser(world, 'probe', { email: 'probe@example.org', password: 'a long password', passwordConfirm: 'a long password' });
  await addUser(world, 'other', { email: 'other@example.org', password: 'a long password', passwordConfirm: 'a long password' });
  await addUser(world, 'own', { public_key: rules.ownKey });
}

const addUser = (world, name, fields) => world.make('nats_users', { ...fresh, id: id(name), nats_username: name, ...fields });

/** Roles with templates, and a user of each that fits. */
async function fillTemplates(world) {
  await world.make('nats_accounts', { id: id('acme'), name: 'acme', tags: ['site:berlin'] });
  await world.make('nats_accounts', { id: id('blank'), name: 'an account' });
  const role = (name, fields) => world.make('nats_roles', { id: id(name), name, ...fields });
  await role('sensor', { publish_permissions: ['data.>'] });
  await role('named', { publish_permissions: ['user.{{name()}}.>'] });
  await role('account', { subscribe_permissions: ['account.{{account-name()}}.>'] });
  await role('denied', { publish_deny_permissions: ['site.{{tag(site)}}.>'] });
  await role('atagged', { subscribe_deny_permissions: ['site.{{account-tag(site)}}.>'] });
  await role('many', { publish_permissions: ['{{tag(a)}}.{{tag(b)}}.{{tag(c)}}'] });
  await addUser(world, 'probe');
  await addUser(world, 'named', { role_id: id('named') });
  await addUser(world, 'dotted', { nats_username: 'dotted.name' });
  await addUser(world, 'account', { role_id: id('account') });
  await addUser(world, 'away', { account_id: id('blank') });
  await addUser(world, 'tagged', { role_id: id('denied'), tags: ['site:berlin'] });
  await addUser(world, 'atagged', { role_id: id('atagged') });
  await addUser(world, 'many', { role_id: id('many') });
}

inWorld('a user by itself', fill, (world) => {
  refuses(world, user, [...rules.kinds, ...rules.relations, ...rules.keys, ...rules.expiry, ...rules.overrides, ...rules.size]);
});

inWorld('a user of a role with templates', fillTemplates, (world) => refuses(world, user, rules.templates));
