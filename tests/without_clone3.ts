/** Has clone3(2) refused to this thread, as filters of system calls do that do not know it. */
import { refuse } from "./refusing.ts";

refuse("clone3");
