/**
 * Namespaces that are bound to files, and so live on without a process.
 *
 * @module
 */
import { decode } from "../../ffi/bytes.ts";
import { readFile } from "../../ffi/file.ts";
import { parseMountinfo } from "../mountinfo.ts";

/** A file to which a namespace is bound, by a mount of the kernel's nsfs. */
export interface NamespaceMount {
  /** The kind and inode of the namespace, as `net:[4026532264]`. */
  readonly root: string;
  /** The inode. */
  readonly inode: number;
  /** The file. */
  readonly target: string;
}

/** All such files of our mount namespace, in the order of their mounts. */
export function namespaceMounts(): NamespaceMount[] {
  return parseMounts(decode(readFile("/proc/self/mountinfo")));
}

/** Those in the text of such a file. */
export function parseMounts(text: string): NamespaceMount[] {
  return parseMountinfo(text, "nsfs").flatMap(({ root, path }) => {
    const [, inode] = /^[^[]*\[(\d+)\]/.exec(root) ?? [];
    return inode === undefined ? [] : [{ root, inode: Number(inode), target: path }];
  });
}
