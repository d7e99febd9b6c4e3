import { z } from 'zod';

export const processSchema = z
  .strictObject({
    pid: z.int().nullable().meta({ description: 'In the namespace of the host.' }),
    name: z
      .string()
      .nullable()
      .meta({ description: 'As in /proc/PID/comm. Chosen by the process: escape it.' }),
    cgroupId: z.int().nullable().meta({ description: 'cgroup v2 id.' }),
    containerId: z.string().nullable().meta({ description: 'As the container runtime names it.' }),
  })
  .meta({ id: 'Process', description: 'Whose socket or call it was; null is not known.' });
