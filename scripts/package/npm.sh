#!/bin/sh
# What `npx @denspace/denspace` runs: the bundle, by the Deno that npm installed.
here=$(dirname "$(readlink -f "$0")")
flags=$(sed -n '1s/^#!.* deno //p' "$here/denspace.js") # as its first line has them
for modules in "$here/node_modules" "$here/../.."; do
  for deno in "$modules"/@deno/linux-*-glibc/deno "$modules"/deno/node_modules/@deno/linux-*-glibc/deno; do
    [ -x "$deno" ] && exec "$deno" $flags "$here/denspace.js" "$@"
  done
done
echo "denspace: npm has installed no Deno for this machine: it needs glibc, on x86-64 or aarch64" >&2
exit 1
