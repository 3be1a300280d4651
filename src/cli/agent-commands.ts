import type { Command } from 'commander';
import { addPlace } from './options.ts';

type Done = (exitCode: number) => void;

/** How a command finds its agent, and what it ends with; for the help of all of them. */
const place = `
Without flags it finds the agent of its pod: by the admin socket in WEIR_CACHE_DIR, else at WEIR_ADMIN, else at 127.0.0.1:15920.
`;
const codes = '\nExit codes: 0 fine, 1 failed or no agent there, 2 wrong usage.\n';

const statusHelp = `
The first line is the verdict: OK, DEGRADED (all clients have configuration, which is not what it should be) or BROKEN, with what to do.
RESTART says whether a new process of the agent would have everything that this one has.

Examples:
  weir status                                            at a glance
  weir status --watch                                    again every 2 s
  weir status -o json | jq -r .verdict.sentence          for scripts
${place}
Exit codes: 0 the agent is ready, 1 it is not or does not answer, 2 wrong usage.
`;

const clientsHelp = `
Examples:
  weir clients                                           every client stream, and how it stands
  weir clients --status rejected                         who rejected something, and in what words
  weir clients --node sidecar-1 --type CDS               one type of one node
${place}${codes}`;

const eventsHelp = `
Kinds: update, upstream, client, rejection, quarantine, guard, missing, restore, stale, disk, credential, scope, drift, agent.
The agent keeps the last few thousand in memory; they end with its process.

Examples:
  weir events --since 5m                                 what has changed in the last five minutes, and why
  weir events --since 1h --type EDS --name reviews       what became of one resource
  weir events --kind rejection --kind quarantine         who rejected what
  weir events --follow                                   what happens, also after a restart of the agent
${place}
Exit codes: 0 fine (also when nothing happened), 1 no agent there, 2 wrong usage.
`;

const explainHelp = `
NAME is the exact name of a resource; for another one, the nearest names are told. What refers to it, and an address such as 10.1.2.3:8080, is looked for
in contents, which the agent gives out on its admin socket only (--cache-dir DIR, or --admin unix:/path).

Examples:
  weir explain reviews                                   in every type that has to do with it
  weir explain reviews CDS                               as a cluster only
  weir explain 10.1.2.3                                  which clusters have this endpoint
  weir explain shop/reviews VirtualService               Istio’s mesh configuration
${place}
Exit codes: 0 clients are served it, 1 they are not (the output says why) or there is no agent, 2 wrong usage.
`;

const diffHelp = `
Compares what the agent holds with what each client has accepted, what is on disk, and, with --envoy, what an Envoy runs. Versions of secrets are not
compared, and of endpoints in Envoy only their addresses: Envoy adds fields of its own to them.

Examples:
  weir diff                                              clients and disk, every type
  weir diff CDS                                          one type
  weir diff --envoy 127.0.0.1:15000 --cache-dir DIR      with Envoy’s own /config_dump, contents included
${place}
Exit codes: 0 no difference, 1 there is one or something could not be read, 2 wrong usage.
`;

const waitHelp = `
Ready is what /healthz/ready says: without clients, that something is held, the control plane answers, or the setting readyGrace is over; with clients, that
they have what they asked for.

Examples:
  weir wait --started && exec envoy -c envoy.yaml        before an Envoy: it is the client that all else is waited for
  weir wait --timeout 60s && exec app                    before what needs a configured Envoy
  weir wait --timeout 0s                                 only look
${place}
Exit codes: 0 the agent is ready, 1 it was not in time, 2 wrong usage.
`;

const driftHelp = `
Asks the control plane for everything once more, on a second stream with nothing to resume from, and compares it with what is held. That is a full
push for the control plane. Clients and the stream in use notice nothing. It goes by the admin socket only.

Examples:
  weir drift --cache-dir DIR                             a check, and what it found
  weir drift --last                                      what the last one found, also one that was made by itself
  weir run --drift-check 6h …                            an agent that makes one every six hours
${place}
Exit codes: 0 the same, 1 something differs, could not be compared, or no agent there, 2 wrong usage.
`;

const logLevelHelp = `
Examples:
  weir log-level                                         how much is logged, and until when
  weir log-level debug --for 10m                         each message, for ten minutes
  weir log-level warn                                    until the agent ends, or somebody changes it again

It is changed over the agent’s admin socket only (--cache-dir DIR, or --admin unix:/path). The change is in the log and in weir events.
${place}${codes}`;

const drainHelp = `
As SIGTERM does: clients are told to go, what is held is written to disk, and the agent ends. It goes by the admin socket only.

With --envoy, an Envoy is told to drain before that: POST /drain_listeners?graceful&skip_exit&inboundonly. Its listeners stay open, and its connections
are told to go within its --drain-time-s; with --all-listeners also those of listeners whose traffic_direction is not INBOUND, as at a gateway.
As a preStop hook it never stands in the way of a pod’s end: an Envoy that is not there and clients that stay for longer than --timeout are said
on standard error, and are no failure. --wait is for elsewhere: in the agent’s own container it is ended with it, which counts as a failed hook.

Examples:
  weir drain --envoy 127.0.0.1:15000 --envoy-only        preStop hook of a native sidecar: Kubernetes ends it last by itself
  weir drain --after-clients --timeout 25s               preStop hook where all containers are told to end at the same time
  weir drain --wait                                      from elsewhere, until it has ended
${place}
Exit codes: 0 told (also where there is no Envoy, or clients are left), 1 no agent there, not ended in time (--wait), or no Envoy at --envoy but
something else, 2 wrong usage.
`;

const completionHelp = `
Examples:
  source <(weir completion bash)                         in ~/.bashrc
  weir completion zsh > "\${fpath[1]}/_weir"              for zsh
  weir completion fish > ~/.config/fish/completions/weir.fish
`;

/** Adds the commands that ask a running agent. @param done is told the exit code */
export function addAgentCommands(program: Command, done: Done): void {
  const command = (name: string, description: string, help: string): Command =>
    program.command(name).description(description).addHelpText('after', help);
  addPlace(command('status', 'what works, since when something does not and why, and what to do', statusHelp))
    .option('-w, --watch', 'show it again every 2 s')
    .action(async options => {
      done(await (await import('./commands/status.ts')).showStatus(options));
    });
  const guard = program.command('guard').description('the guard against lists that shrink right after a connect');
  addPlace(
    guard
      .command('pass')
      .argument('[TYPE]', 'CDS, LDS … or a type URL; all without it')
      .description('let removals pass that are held back'),
  ).action(async (type: string | undefined, options) => {
    done(await (await import('./commands/status.ts')).passGuard(type, options));
  });
  addPlace(command('clients', 'every client stream: who it is, and how it stands with each type', clientsHelp))
    .option('--node <ID>', 'of nodes whose id has this in it')
    .option('--type <TYPE>', 'this type only: CDS, VirtualService … or a type URL')
    .option('--status <STATUS>', 'types of this status: synced, stale, sent, not-sent or rejected')
    .action(async options => {
      done(await (await import('./commands/clients.ts')).showClients(options));
    });
  const kinds = (value: string, before: readonly string[] = []): readonly string[] => [...before, ...value.split(',')];
  addPlace(command('events', 'what happened: updates with names and reasons, outages, rejections', eventsHelp))
    .option('--since <TIME>', 'of this time only: 90s, 5m, 2h')
    .option('-f, --follow', 'go on with what happens')
    .option('--type <TYPE>', 'of this type only')
    .option('--name <NAME>', 'that name this resource')
    .option('--kind <KIND>', 'of this kind only; several by commas', kinds)
    .action(async options => {
      done(await (await import('./commands/events.ts')).showEvents(options));
    });
  addPlace(
    command('explain', 'where a resource came from, who has it, who rejected it; or why it is missing', explainHelp),
  )
    .argument('<NAME>', 'of a resource, or an address of an endpoint')
    .argument('[TYPE]', 'CDS, EDS, VirtualService … or a type URL')
    .action(async (name: string, type: string | undefined, options) => {
      done(await (await import('./commands/explain.ts')).explain(name, type, options));
    });
  addPlace(command('diff', 'what differs between control plane, clients, disk and Envoy', diffHelp))
    .argument('[TYPE]', 'this type only')
    .option('--envoy <ADDR>', 'Envoy’s admin address, such as 127.0.0.1:15000')
    .action(async (type: string | undefined, options) => {
      done(await (await import('./commands/diff.ts')).diff(type, options));
    });
  addPlace(command('wait', 'wait until the agent is ready', waitHelp))
    .option('--started', 'only until it listens')
    .option('--timeout <TIME>', 'the longest wait', '60s')
    .action(async options => {
      done(await (await import('./commands/wait.ts')).waitUntilReady(options));
    });
  addPlace(command('drift', 'compare what the agent holds with what the control plane has', driftHelp))
    .option('--last', 'only show what the last check found')
    .option('--timeout <TIME>', 'the longest wait', '2m')
    .action(async options => {
      done(await (await import('./commands/drift.ts')).checkDrift(options));
    });
  addPlace(command('log-level', 'how much a running agent logs; change it while it runs', logLevelHelp))
    .argument('[LEVEL]', 'trace, debug, info, warn, error or silent; without it, the level is shown')
    .option('--for <TIME>', 'the level it was started with is back after this time, 24h at most')
    .action(async (level: string | undefined, options) => {
      done(await (await import('./commands/log-level.ts')).logLevel(level, options));
    });
  addPlace(command('drain', 'have Envoy drain, the clients go, and the agent end', drainHelp))
    .option('--envoy <ADDR>', 'have an Envoy drain first; its admin address, such as 127.0.0.1:15000 or unix:/path')
    .option('--all-listeners', 'all listeners of that Envoy, not only the inbound ones')
    .option('--envoy-only', 'leave the agent as it is')
    .option('--after-clients', 'the agent goes on until no client is connected, for --timeout at most')
    .option('--wait', 'until it has ended')
    .option('--timeout <TIME>', 'the longest wait, for clients and for the end each', '60s')
    .action(async options => {
      done(await (await import('./commands/drain.ts')).drain(options));
    });
  command('completion', 'a script that completes commands, flags and types', completionHelp)
    .argument('<SHELL>', 'bash, zsh or fish')
    .action(async (shell: string) => {
      done(await (await import('./commands/completion.ts')).printCompletion(shell, program));
    });
}
