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
/** `veth` for an interface to the machine, see veth(4); `pasta` for what pasta(1) passes on. */
export const NETWORK = "denspace.network";
/** The addresses of the interface inside, each with the bits of its network, joined by commas. */
export const NETWORK_ADDRESSES = "denspace.network.addresses";
/** The same of its other end outside. */
export const NETWORK_OUTSIDE = "denspace.network.outside";
/** The addresses by which everything else is reached, one for each kind, joined by commas. */
export const NETWORK_GATEWAYS = "denspace.network.gateways";
/** The bridge that the end outside is a port of. */
export const NETWORK_BRIDGE = "denspace.network.bridge";
/** How much can be sent, and how much received, such as `10mbit:64k`. */
export const NETWORK_RATE = "denspace.network.rate";
/** `true` for all that the machine can reach to be reached, under an address of the machine. */
export const NETWORK_NAT = "denspace.network.nat";
/** Ports of the machine that lead inside, such as `8080:80`, joined by commas. */
export const NETWORK_PUBLISH = "denspace.network.publish";

/** What is granted by Landlock, in the words of `parseLandlock`: the specification has no field for it. */
export const LANDLOCK = "denspace.landlock";

/** All of them. */
export const ANNOTATIONS: readonly string[] = [
  LAYERS,
  DIFF,
  INIT,
  TIMEOUT,
  DIE_WITH_PARENT,
  NETWORK,
  NETWORK_ADDRESSES,
  NETWORK_OUTSIDE,
  NETWORK_GATEWAYS,
  NETWORK_BRIDGE,
  NETWORK_RATE,
  NETWORK_NAT,
  NETWORK_PUBLISH,
  LANDLOCK,
];
