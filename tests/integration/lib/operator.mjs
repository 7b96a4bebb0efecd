// The operator's JWT, and servers that get a new one.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { decode } from '@nats-io/jwt';
import { must } from './natsid.mjs';

export async function operatorClaims(data) {
  const { stdout } = await must(['export', 'operator-jwt', '--data', data]);
  return decode(stdout.trim());
}

/** The first column of the first row, as text. */
export const sql = (data, query) => execFileSync('sqlite3', [join(data, 'natsid.db'), query], { encoding: 'utf8' }).trim();

/**
 * Gives the server what natsid exports now; it takes it when it starts. With onlyJwt as somebody does it who keeps a
 * configuration of his own: the operator's JWT alone, the system account preloaded as it was.
 */
export async function refresh(stage, server, { onlyJwt = false } = {}) {
  const { stdout } = await must(['export', 'nats-conf', '--data', stage.data]);
  for (const line of [/^operator: .*$/m, ...(onlyJwt ? [] : [/^\tA[A-Z2-7]{55}: .*$/m])]) {
    server.configuration = server.configuration.replace(line, line.exec(stdout)[0]);
  }
}

export async function restart(stage, server, options) {
  await refresh(stage, server, options);
  await server.stop();
  await server.start();
}
