/** `ihave help`. */
import { VERSION } from '../service/version.ts'

export function help(): string {
  return `ihave ${VERSION}: every machine on a LAN downloads each update once

ihave start [--config FILE]            runs a node until it is told to stop
ihave status [--config FILE] [--json]  what the running node is doing
ihave help, ihave version

Without --config, ./proxy.config.yaml is used where there is one, else the defaults. Every setting can also be given
in the environment: IHAVE_PROXY_LISTEN=127.0.0.1:3129. docs/configuration.md explains them all.

exit codes: 0 done; 1 it failed; 2 wrong command line or configuration; 3 no node is running`
}
