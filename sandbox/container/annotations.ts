/**
 * What a container has beside what the OCI runtime specification describes, as
 * annotations, which the specification leaves to whoever runs it.
 *
 * @module
 */

/** Where the changes to the root are kept: `tmpfs`, or an absolute directory. The root itself stays as it is. */
export const LAYERS = "denspace.layers";
/** `true` to say at the end what was changed. */
export const DIFF = "denspace.diff";
/** `true` for a process 1 that does nothing but reap processes. */
export const INIT = "denspace.init";
/** After how many seconds everything is killed. */
export const TIMEOUT = "denspace.timeout";
/** `true` for the container to end when what started it does. */
export const DIE_WITH_PARENT = "denspace.die-with-parent";

/** All of them. */
export const ANNOTATIONS: readonly string[] = [LAYERS, DIFF, INIT, TIMEOUT, DIE_WITH_PARENT];
