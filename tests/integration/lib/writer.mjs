// A writer that knows what it wrote: the load, and the model, of the crash tests.
//
// Each writer owns its accounts, roles and users, so its model can tell after a crash what must be there: all that was
// acknowledged, and the one change that was under way either wholly or not at all.
import assert from 'node:assert/strict';
import http from 'node:http';
import { random } from './random.mjs';

/** One write. Resolves when the status is there: what is acknowledged then is not undone by a cut body. */
function send(agent, url, token, { method, path, body }) {
  const text = body === undefined ? undefined : JSON.stringify(body);
  return new Promise((resolve, reject) => {
    const headers = { Authorization: token };
    if (text !== undefined) headers['Content-Type'] = 'application/json';
    if (text !== undefined) headers['Content-Length'] = Buffer.byteLength(text);
    const request = http.request(url + path, { method, agent, headers }, (response) => {
      const answer = { status: response.statusCode, id: response.headers['x-request-id'], text: '' };
      response.on('error', () => {});
      if (answer.status < 400) {
        response.resume();
        resolve(answer);
        return;
      }
      response.setEncoding('utf8').on('data', (data) => { answer.text += data; });
      response.on('close', () => resolve(answer));
    });
    request.on('error', reject);
    request.end(text);
  });
}

const records = (collection, id = '') => `/api/collections/nats_${collection}/records${id && `/${id}`}`;
export const scope = (account, role) => `${account} ${role}`;

/** One of the parallel writers, and its model. */
export class Writer {
  constructor(number, seed) {
    this.number = number;
    this.random = random(seed);
    this.count = 0;
    this.accounts = new Map();
    this.buried = new Map(); // deleted accounts: id -> generation
    this.roles = new Map();
    this.users = new Map();
    this.scopes = new Set(); // "account role": has a scoped signing key
    this.pending = null; // sent, not acknowledged
    this.acknowledged = []; // since the last check
  }

  /** A text or a number that was never used before, so that an old value cannot pass for a new one. */
  fresh() {
    this.count += 1;
    return this.count;
  }

  bump(account, by = 1) {
    this.accounts.get(account).generation += by;
  }

  usersOf(key, id) {
    return [...this.users.values()].filter((user) => user[key] === id);
  }

  /** Accounts that have a key for the role. */
  accountsOf(role) {
    return [...this.accounts.keys()].filter((account) => this.scopes.has(scope(account, role)));
  }

  addScope(account, role) {
    if (this.scopes.has(scope(account, role))) return;
    this.scopes.add(scope(account, role));
    this.bump(account);
  }

  dropScopes(part) {
    for (const entry of this.scopes) if (entry.split(' ').includes(part)) this.scopes.delete(entry);
  }

  /** Do the user's creds leave with the answer to a change that makes them anew? */
  isInForce(user) {
    return user.active && this.accounts.get(user.account).active;
  }

  createAccount() {
    const id = this.random.id();
    const fields = { name: `account-${this.number}-${this.fresh()}`, description: '', max_connections: this.fresh() };
    return {
      method: 'POST', path: records('accounts'), body: { id, ...fields }, record: id, action: 'create',
      apply: () => this.accounts.set(id, { ...fields, max_subscriptions: -1, active: true, generation: 1 }),
    };
  }

  changeAccount(id, fields, bumps) {
    return {
      method: 'PATCH', path: records('accounts', id), body: fields, record: id, action: 'update',
      apply: () => {
        Object.assign(this.accounts.get(id), fields);
        this.bump(id, bumps);
      },
    };
  }

  deleteAccount(id) {
    return {
      method: 'DELETE', path: records('accounts', id), record: id, action: 'delete',
      apply: () => {
        this.buried.set(id, this.accounts.get(id).generation + 1);
        this.accounts.delete(id);
        this.dropScopes(id);
      },
    };
  }

  createRole() {
    const id = this.random.id();
    const fields = { name: `role-${this.number}-${this.fresh()}`, description: '', publish_permissions: [`a.${this.fresh()}`] };
    return {
      method: 'POST', path: records('roles'), body: { id, ...fields }, record: id, action: 'create',
      apply: () => this.roles.set(id, { ...fields, max_subscriptions: -1 }),
    };
  }

  changeRole(id, fields, bumps) {
    return {
      method: 'PATCH', path: records('roles', id), body: fields, record: id, action: 'update',
      apply: () => {
        Object.assign(this.roles.get(id), fields);
        for (const account of this.accountsOf(id)) this.bump(account, bumps);
      },
    };
  }

  deleteRole(id) {
    return {
      method: 'DELETE', path: records('roles', id), record: id, action: 'delete',
      apply: () => {
        for (const account of this.accountsOf(id)) this.bump(account);
        this.roles.delete(id);
        this.dropScopes(id);
      },
    };
  }

  createUser(account, role) {
    const id = this.random.id();
    const quiet = this.random.chance(0.3); // its creds do not leave, so there is nothing to revoke
    const nats_username = `user-${this.number}-${this.fresh()}`;
    return {
      method: 'POST', path: records('users') + (quiet ? '?fields=id' : ''), record: id, action: 'create', user: id,
      body: { id, account_id: account, role_id: role, nats_username },
      apply: () => {
        const user = { account, role, nats_username, full_name: '', active: true, issued: false, revoked: false };
        user.issued = !quiet && this.isInForce(user);
        this.users.set(id, user);
        this.addScope(account, role);
      },
    };
  }

  changeUser(id, body, apply) {
    const user = this.users.get(id);
    return {
      method: 'PATCH', path: records('users', id), body, record: id, action: 'update', user: id,
      apply: () => apply(user),
    };
  }

  suspendUser(id) {
    return this.changeUser(id, { active: false }, (user) => {
      user.active = false;
      if (!user.issued) return;
      user.revoked = true;
      this.bump(user.account);
    });
  }

  activateUser(id) {
    return this.changeUser(id, { active: true }, (user) => {
      user.active = true;
      if (!user.revoked) return;
      user.revoked = false;
      this.bump(user.account);
    });
  }

  moveUser(id, role) {
    return this.changeUser(id, { role_id: role }, (user) => {
      this.addScope(user.account, role);
      if (user.issued) this.bump(user.account);
      user.role = role;
      user.issued = this.isInForce(user);
    });
  }

  renameUser(id) {
    const nats_username = `user-${this.number}-${this.fresh()}`;
    return this.changeUser(id, { nats_username }, (user) => {
      user.nats_username = nats_username;
      user.issued ||= this.isInForce(user);
    });
  }

  describeUser(id) {
    const full_name = `name ${this.fresh()}`;
    return this.changeUser(id, { full_name }, (user) => { user.full_name = full_name; });
  }

  deleteUser(id) {
    return {
      method: 'DELETE', path: records('users', id), record: id, action: 'delete',
      apply: () => {
        const user = this.users.get(id);
        if (user.issued) this.bump(user.account);
        this.users.delete(id);
      },
    };
  }

  nextAccountChange() {
    const id = this.random.pick([...this.accounts.keys()]);
    const { active } = this.accounts.get(id);
    const draw = this.random.below(10);
    if (draw < 5) return this.changeAccount(id, { max_subscriptions: this.fresh() }, 1);
    if (draw < 7) return this.changeAccount(id, { description: `text ${this.fresh()}` }, 1);
    if (draw < 9) return this.changeAccount(id, { active: !active }, 1);
    return this.usersOf('account', id).length === 0 ? this.deleteAccount(id) : this.createAccount();
  }

  nextRoleChange() {
    const id = this.random.pick([...this.roles.keys()]);
    const draw = this.random.below(10);
    if (draw < 4) return this.changeRole(id, { publish_permissions: [`a.${this.fresh()}`, 'b.>'] }, 1);
    if (draw < 6) return this.changeRole(id, { max_subscriptions: this.fresh() }, 1);
    if (draw < 9) return this.changeRole(id, { description: `text ${this.fresh()}` }, 0);
    return this.usersOf('role', id).length === 0 ? this.deleteRole(id) : this.createRole();
  }

  nextUserChange() {
    const [id, user] = this.random.pick([...this.users]);
    const draw = this.random.below(10);
    if (draw < 4) return user.active ? this.suspendUser(id) : this.activateUser(id);
    if (draw < 5) return this.renameUser(id);
    if (draw < 7) return this.describeUser(id);
    if (draw < 8) return this.deleteUser(id);
    const other = [...this.roles.keys()].filter((role) => role !== user.role);
    return other.length > 0 ? this.moveUser(id, this.random.pick(other)) : this.createRole();
  }

  next() {
    const { random: draw, accounts, roles, users } = this;
    if (accounts.size < 2 || (accounts.size < 6 && draw.chance(0.03))) return this.createAccount();
    if (roles.size < 2 || (roles.size < 5 && draw.chance(0.03))) return this.createRole();
    if (users.size < 2 || (users.size < 25 && draw.chance(0.25))) {
      return this.createUser(draw.pick([...accounts.keys()]), draw.pick([...roles.keys()]));
    }
    const kind = draw.below(10);
    if (kind < 3) return this.nextAccountChange();
    return kind < 5 ? this.nextRoleChange() : this.nextUserChange();
  }

  /** Writes until the daemon is gone. onAcknowledged may kill it, and is waited for. */
  async write(daemon, isDead, onAcknowledged) {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    try {
      while (!isDead()) {
        this.pending = this.next();
        let answer;
        try {
          answer = await send(agent, daemon.url, daemon.token, this.pending);
        } catch (error) {
          if (isDead()) return;
          throw error;
        }
        const { method, path, body } = this.pending;
        assert.ok(answer.status < 300, `${method} ${path} ${JSON.stringify(body)}: ${answer.status} ${answer.text}`);
        this.acknowledge(answer.id);
        await onAcknowledged();
      }
    } finally {
      agent.destroy();
    }
  }

  acknowledge(request) {
    const { record, action, apply } = this.pending;
    this.acknowledged.push({ request, record, action });
    apply();
    this.pending = null;
  }

  /** The daemon died with one change under way: the audit tells whether it was made. */
  settle(unclaimed, usersFound) {
    if (!this.pending) return false;
    const { record, action, apply, user } = this.pending;
    const at = unclaimed.findIndex((entry) => entry.record === record && entry.action === action);
    if (at >= 0) {
      unclaimed.splice(at, 1);
      apply();
      // The creds of the answer are noted after the change itself, if it came to that.
      if (user && this.users.has(user)) this.users.get(user).issued = usersFound.get(user)?.issued === 1;
    }
    this.pending = null;
    return at >= 0;
  }
}
