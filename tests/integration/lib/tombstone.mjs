// What stands in the place of a deleted account on the servers.

const isTombstone = ({ nats }) => nats.revocations?.['*'] > 0 && (nats.limits.conn ?? 0) === 0;

/** All servers hold the tombstone. */
export async function entombed(stage, account, servers = stage.servers) {
  for (const server of servers) await stage.storedClaims(server, account, isTombstone);
}
