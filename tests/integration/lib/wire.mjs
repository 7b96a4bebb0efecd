// The NATS client protocol as a server reads it.

const LINE_END = Buffer.from('\r\n');

/**
 * Reads what a client sends, in chunks of any size; onOperation({verb, args, header, payload}) is told each operation.
 * payload (and header, of HPUB) are Buffers, and there for PUB and HPUB only.
 */
export function clientReader(onOperation) {
  let chunks = [];
  let length = 0;
  let needed = 1; // bytes that the next operation has at least: a large one is not looked at with each chunk of it

  const operation = (buffer) => {
    const end = buffer.indexOf(LINE_END);
    if (end < 0) return null;
    const line = buffer.toString('latin1', 0, end);
    const [verb] = line.split(/\s/, 1);
    const args = line.slice(verb.length).trim();
    const name = verb.toUpperCase();
    if (name !== 'PUB' && name !== 'HPUB') return { size: end + 2, verb: name, args };
    const words = args.split(/\s+/);
    const total = Number(words.at(-1));
    const size = end + 2 + total + 2;
    if (buffer.length < size) return { size, isPartial: true };
    const body = buffer.subarray(end + 2, end + 2 + total);
    const head = name === 'HPUB' ? Number(words.at(-2)) : 0;
    const sizes = name === 'HPUB' ? 2 : 1;
    const [subject, reply = ''] = words.slice(0, -sizes);
    return { size, verb: name, args, subject, reply, header: body.subarray(0, head), payload: body.subarray(head) };
  };

  return (chunk) => {
    chunks.push(chunk);
    length += chunk.length;
    if (length < needed) return;
    let buffer = chunks.length === 1 ? chunks[0] : Buffer.concat(chunks);
    needed = 1;
    for (let found = operation(buffer); found; found = operation(buffer)) {
      if (found.isPartial) {
        needed = found.size;
        break;
      }
      buffer = buffer.subarray(found.size);
      onOperation(found);
    }
    chunks = [buffer];
    length = buffer.length;
  };
}
