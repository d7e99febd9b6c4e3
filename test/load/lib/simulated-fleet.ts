import { create } from '@bufbuild/protobuf';
import { Client, credentials } from '@grpc/grpc-js';
import {
  EnrolmentService,
  EnrolRequestSchema,
  type EnrolResponse,
  grpcMethodDefinition,
} from '@synscope/protocol';
import { createKey, type FakeIdentity, fetchAuthority, identityFrom, uuidText } from '@synscope/testing';
import { seededRandom } from './random.ts';
import { type Faults, SimulatedAgent } from './simulated-agent.ts';

export const NO_FAULTS: Faults = { disconnectsPerHour: 0, slowShare: 0, slowMs: 0, refusalShare: 0 };

export interface FleetOptions {
  readonly agents: number;
  readonly seed: number;
  /** Where agents connect, at one of these by chance. */
  readonly addresses: readonly string[];
  readonly joinToken: string;
  readonly faults: Faults;
}

/** Handshakes of TLS under way at a time: more would only wait for each other. */
const AT_ONCE = 16;

/** Enrols and connects agents `host-0000`, `host-0001`, … with the labels `host` and `rack`; ten hosts to a rack. */
export async function startFleet(options: FleetOptions): Promise<SimulatedAgent[]> {
  const { addresses, faults, seed } = options;
  const desk = await EnrolmentDesk.open(addresses[0] ?? '', options.joinToken);
  const fleet = await inParallel(options.agents, async (index) => {
    const hostname = `host-${String(index).padStart(4, '0')}`;
    const labels = { host: hostname, rack: `rack-${Math.floor(index / 10)}` };
    const identity = await desk.enrol(hostname, labels);
    // Of one seed each, so that what one agent draws does not depend on when the others do.
    const random = seededRandom(seed * 100_003 + index);
    const agent = new SimulatedAgent(identity, hostname, labels, addresses, faults, random);
    await agent.connect();
    return agent;
  });
  desk.close();
  return fleet;
}

/** Enrols many agents over one connection, which is not what this load is about. Each has a key of its own. */
class EnrolmentDesk {
  readonly #client: Client;
  readonly #secret: string;

  private constructor(client: Client, secret: string) {
    this.#client = client;
    this.#secret = secret;
  }

  static async open(address: string, joinToken: string): Promise<EnrolmentDesk> {
    const [secret = '', pin = ''] = joinToken.replace(/^synj_/, '').split('.');
    const authority = Buffer.from(await fetchAuthority(address, pin));
    const options = { 'grpc.ssl_target_name_override': 'localhost' };
    return new EnrolmentDesk(new Client(address, credentials.createSsl(authority), options), secret);
  }

  async enrol(hostname: string, labels: Readonly<Record<string, string>>): Promise<FakeIdentity> {
    const { privateKey, signingRequest } = await createKey();
    const method = grpcMethodDefinition(EnrolmentService.method.enrol);
    const request = create(EnrolRequestSchema, {
      joinToken: this.#secret,
      certificateSigningRequest: signingRequest,
      hostname,
      labels: { ...labels },
    });
    const response = await new Promise<EnrolResponse>((resolve, reject) => {
      this.#client.makeUnaryRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        request,
        (error, answer) => (answer === undefined ? reject(error) : resolve(answer)),
      );
    });
    return identityFrom(uuidText(response.agentId), privateKey, response.certificate);
  }

  close(): void {
    this.#client.close();
  }
}

/** Calls `work` for 0 … count − 1, some at a time, and keeps the order. */
async function inParallel<T>(count: number, work: (index: number) => Promise<T>): Promise<T[]> {
  const results: T[] = new Array<T>(count);
  let next = 0;
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      while (next < count) {
        const index = next++;
        results[index] = await work(index);
      }
    }),
  );
  return results;
}
