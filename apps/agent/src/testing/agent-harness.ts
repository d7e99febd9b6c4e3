import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Agent } from '../agent.js';
import { type Configuration, resolveConfiguration, type Settings } from '../configuration/configuration.js';
import type { ManualClock } from './manual-clock.js';
import { StandInProbe } from './stand-in-probe.js';
import { TestControlPlane } from './test-control-plane.js';
import { TestLog } from './test-log.js';

/** A control plane, a probe and agents between them; `stop` ends and removes all. */
export class AgentHarness {
  readonly log = new TestLog();
  readonly dataDir = mkdtempSync(join(tmpdir(), 'synscope-agent-'));
  private readonly agents: Agent[] = [];
  private readonly clocks = new Set<ManualClock>();

  private constructor(
    readonly plane: TestControlPlane,
    readonly probe: StandInProbe,
  ) {}

  static async start(): Promise<AgentHarness> {
    return new AgentHarness(await TestControlPlane.start(), await StandInProbe.start());
  }

  configuration(change: Settings = {}): Configuration {
    return resolveConfiguration([
      change,
      {
        server: this.plane.address,
        token: this.plane.authority.joinToken('secret'),
        labels: { env: 'test' },
        dataDir: this.dataDir,
        probe: this.probe.path,
      },
    ]);
  }

  agent(change: Settings = {}, clock?: ManualClock): Agent {
    if (clock !== undefined) this.clocks.add(clock);
    const agent = new Agent(this.configuration(change), this.log, clock);
    this.agents.push(agent);
    return agent;
  }

  /** An agent that is connected, its stream and its probe. */
  async connected(change: Settings = {}, clock?: ManualClock) {
    const agent = this.agent(change, clock);
    await agent.start();
    return { agent, stream: await this.plane.nextStream(), run: await this.probe.runs.next() };
  }

  async stop(): Promise<void> {
    this.plane.stop();
    let stopped = false;
    const stopping = Promise.all(this.agents.map((agent) => agent.stop())).finally(() => {
      stopped = true;
    });
    // The bounds of the orderly end are by the agent's clock, which moves for nobody else.
    while (!stopped && this.clocks.size > 0) {
      await new Promise((resolve) => setImmediate(resolve));
      for (const clock of this.clocks) clock.advance(10);
    }
    await stopping;
    await this.probe.stop();
    rmSync(this.dataDir, { recursive: true, force: true });
  }
}
