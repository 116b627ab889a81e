/**
 * Bytes that grow while they are written, in little-endian words.
 *
 * @module
 */

/** Bytes of which the last are not known yet. */
export class Memory {
  /** How many are in use. */
  size: number;
  /** These, and zeros behind them. */
  bytes: Uint8Array<ArrayBuffer>;
  #words: Int32Array;

  /** So many bytes, all zero, with room for more. */
  constructor(size: number, room = 0) {
    this.size = size;
    this.bytes = new Uint8Array(size + room);
    this.#words = new Int32Array(this.bytes.buffer);
  }

  /** Takes so many more, in whole words; where they begin. */
  take(size: number): number {
    const at = this.size;
    this.size = (at + size + 7) & ~7;
    if (this.size > this.bytes.length) {
      const old = this.bytes;
      this.bytes = new Uint8Array(2 * this.size);
      this.bytes.set(old);
      this.#words = new Int32Array(this.bytes.buffer);
    }
    return at;
  }

  /** Writes a word of 64 bits, where zeros were. Most are small, and quickly written as such. */
  put(at: number, word: number | bigint): void {
    const words = this.#words;
    if (typeof word === "number" && (word | 0) === word) {
      words[at >> 2] = word;
      if (word < 0) words[(at >> 2) + 1] = -1;
    } else {
      const bits = BigInt(word);
      words[at >> 2] = Number(BigInt.asIntN(32, bits));
      words[(at >> 2) + 1] = Number(BigInt.asIntN(32, bits >> 32n));
    }
  }

  /** Writes a word of 32 bits. */
  put32(at: number, word: number): void {
    this.#words[at >> 2] = word;
  }
}
