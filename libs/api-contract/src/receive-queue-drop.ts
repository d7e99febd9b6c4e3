import { z } from 'zod';
import { DNS_SIDES } from './dns-query.js';
import { addressOrPrefixSchema, endpointSchema } from './shared/address.js';
import { listSchema, pageQuery } from './shared/list.js';
import { queryList, queryPort } from './shared/query-values.js';
import { microsecondsSchema, oneOf, recordFields, recordFilterFields } from './shared/record.js';
import { timestampSchema } from './shared/time.js';

// In the order of the numbers in proto/synscope/agent/v1/records.proto, from 1.
export const RECEIVE_QUEUE_DROP_CAUSES = ['buffer_full', 'memory_limit'] as const;

export const receiveQueueDropSchema = z
  .strictObject({
    id: recordFields.id,
    observedAt: timestampSchema.meta({
      description: 'When the interval ended, by the clock of the host.',
    }),
    intervalUs: microsecondsSchema.meta({
      description: 'Length of the interval, microseconds; about a second.',
    }),
    agentId: recordFields.agentId,
    hostname: recordFields.hostname,
    sessionIds: recordFields.sessionIds,
    side: z.enum(DNS_SIDES).meta({
      description:
        '`resolver`: the socket is bound to a DNS port, and queries were lost. `client`: it is connected to one, and answers were lost.',
    }),
    cause: z.enum(RECEIVE_QUEUE_DROP_CAUSES).meta({
      description:
        '`buffer_full`: the socket’s receive buffer. `memory_limit`: the kernel’s limit for all UDP sockets (net.ipv4.udp_mem), or the memory cgroup’s.',
    }),
    drops: z.int().min(1).meta({ description: 'Datagrams that were dropped in the interval.' }),
    receiveBufferBytes: z.int().min(0).meta({
      description: 'SO_RCVBUF as the kernel holds it, twice what was set; bytes.',
    }),
    local: endpointSchema.meta({ description: 'What the socket is bound to.' }),
    process: recordFields.process,
    netns: recordFields.netns,
  })
  .meta({
    id: 'ReceiveQueueDrop',
    description:
      'Datagrams that one UDP socket on a DNS port could not take, for one cause, within about a second.',
  });
export type ReceiveQueueDrop = z.output<typeof receiveQueueDropSchema>;

const filterFields = {
  ...recordFilterFields,
  side: queryList(oneOf(DNS_SIDES)).optional().meta({
    description: 'Of sockets on which queries are received (`resolver`), or answers (`client`).',
    example: 'resolver',
  }),
  cause: queryList(oneOf(RECEIVE_QUEUE_DROP_CAUSES)).optional().meta({
    description: 'What had no room: `buffer_full`, `memory_limit`.',
    example: 'buffer_full',
  }),
  localAddress: addressOrPrefixSchema.optional().meta({
    description: 'Address or prefix that the socket is bound to.',
    example: '192.0.2.53',
  }),
  localPort: queryList(queryPort()).optional().meta({
    description: 'Ports that the socket is bound to, separated by commas.',
    example: '53',
  }),
};
const receiveQueueDropFilterSchema = z.strictObject(filterFields);
export type ReceiveQueueDropFilter = z.output<typeof receiveQueueDropFilterSchema>;

export const receiveQueueDropListQuerySchema = z.strictObject({ ...filterFields, ...pageQuery });
export type ReceiveQueueDropListQuery = z.output<typeof receiveQueueDropListQuerySchema>;
export const receiveQueueDropListSchema = listSchema('ReceiveQueueDropList', receiveQueueDropSchema);
