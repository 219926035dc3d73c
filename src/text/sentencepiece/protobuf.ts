/** @file Reading protobuf's wire format, as far as SentencePiece's model file needs it. The file is untrusted. */

export interface Field {
  readonly number: number;
  /** A varint, the four or eight bytes of a fixed number, or the bytes of a string, a list or a message. */
  readonly value: number | Uint8Array;
}

/**
 * The fields of a message in file order.
 *
 * @throws Error - on anything that is cut off or of a wire type that protobuf no longer has.
 */
export function* readFields(bytes: Uint8Array): Generator<Field> {
  const position = { at: 0 };
  while (position.at < bytes.length) {
    const tag = readVarint(bytes, position);
    const number = Math.floor(tag / 8);
    switch (tag % 8) {
      case 0:
        yield { number, value: readVarint(bytes, position) };
        break;
      case 1:
        yield { number, value: take(bytes, position, 8) };
        break;
      case 2:
        yield { number, value: take(bytes, position, readVarint(bytes, position)) };
        break;
      case 5:
        yield { number, value: take(bytes, position, 4) };
        break;
      default:
        throw new Error(`wire type ${tag % 8} at byte ${position.at}`);
    }
  }
}

/** Up to 53 bits exactly; the sign of a negative 64-bit number is lost, which no field we read has. */
function readVarint(bytes: Uint8Array, position: { at: number }): number {
  let value = 0;
  for (let shift = 0; shift < 70; shift += 7) {
    const byte = bytes[position.at++];
    if (byte === undefined) throw new Error("the file ends inside a number");
    value += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) return value;
  }
  throw new Error(`a number of more than ten bytes at byte ${position.at}`);
}

function take(bytes: Uint8Array, position: { at: number }, length: number): Uint8Array {
  const start = position.at;
  if (length > bytes.length - start) throw new Error(`a field of ${length} bytes at byte ${start}, the message has ${bytes.length - start} left`);
  position.at += length;
  return bytes.subarray(start, position.at);
}
