/**
 * libgcc, the compiler's own library, which Deno is linked with.
 *
 * @module
 */

/**
 * Makes code that was written to memory the code that runs there.
 *
 * On x86-64 it is anyway. On aarch64 the instruction cache does not see what
 * lies in the data cache. Linux cleans a page when it first becomes executable,
 * which would do for us, but nowhere promises to; what does is `__clear_cache`.
 *
 * See `__builtin___clear_cache` of GCC.
 *
 * @param begin the address of the code
 * @param size in bytes
 */
export function clearCache(begin: Deno.PointerObject, size: number): void {
  if (Deno.build.arch !== "aarch64") return;
  const libgcc = Deno.dlopen("libgcc_s.so.1", {
    // void __clear_cache(void *begin, void *end);
    __clear_cache: { parameters: ["pointer", "pointer"], result: "void" },
  });
  libgcc.symbols.__clear_cache(begin, Deno.UnsafePointer.offset(begin, size));
  libgcc.close();
}
