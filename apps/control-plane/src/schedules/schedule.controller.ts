import { Body, Controller, Delete, Get, Param, Patch, Post, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import {
  type IdentifierParams,
  identifierParamsSchema,
  type Schedule,
  type ScheduleCreate,
  type ScheduleListQuery,
  type ScheduleRun,
  type ScheduleRunListQuery,
  type ScheduleUpdate,
  scheduleCreateSchema,
  scheduleListQuerySchema,
  scheduleListSchema,
  scheduleRunListQuerySchema,
  scheduleRunListSchema,
  scheduleRunSchema,
  scheduleSchema,
  scheduleUpdateSchema,
} from '@synscope/api-contract';
import { type Actor, CurrentActor, type TokenActor } from '../access/actor.js';
import { RequireRole } from '../access/require-role.js';
import { Endpoint, ListEndpoint } from '../http/endpoint.js';
import type { KeysetList } from '../lists/keyset-list.js';
import { ScheduleService } from './schedule.service.js';
import { ScheduleRunService } from './schedule-run.service.js';

const UNKNOWN = 'There is no such schedule.';

@ApiTags('Schedules')
@Controller('schedules')
export class ScheduleController {
  constructor(
    private readonly schedules: ScheduleService,
    private readonly runs: ScheduleRunService,
  ) {}

  @Post()
  @RequireRole('operator')
  @Endpoint({
    summary: 'Create a schedule',
    description:
      'Starts a trace session whenever `cron` or `everySeconds` is due: once, however many replicas there are. When the clocks change, fixed times such as `30 2 * * *` run once: at the end of a gap that they fall in, and the first time of two. Other crons, such as `*/30 * * * *`, follow the clock on the wall: no run in the gap, runs in both of two equal hours.',
    response: scheduleSchema,
    status: 201,
    errors: {
      409: 'Another schedule has the name; or the Idempotency-Key was used for another request.',
    },
  })
  create(
    @Body({ schema: scheduleCreateSchema }) body: ScheduleCreate,
    @CurrentActor() actor: Actor,
  ): Promise<Schedule> {
    return this.schedules.create(body, actor);
  }

  @Get()
  @RequireRole('viewer')
  @ListEndpoint({
    summary: 'List schedules',
    description: 'Newest first, each with its next due times.',
    item: scheduleSchema,
    list: scheduleListSchema,
  })
  list(@Query({ schema: scheduleListQuerySchema }) query: ScheduleListQuery): KeysetList<Schedule> {
    return this.schedules.list(query);
  }

  @Get(':id')
  @RequireRole('viewer')
  @Endpoint({
    summary: 'Get a schedule',
    description: 'With its next due times.',
    response: scheduleSchema,
    errors: { 404: UNKNOWN },
  })
  get(@Param({ schema: identifierParamsSchema }) { id }: IdentifierParams): Promise<Schedule> {
    return this.schedules.get(id);
  }

  @Patch(':id')
  @RequireRole('operator')
  @Endpoint({
    summary: 'Change, pause or resume a schedule',
    description:
      'What is not named stays as it is; `session` is replaced as a whole. `{"paused": true}` pauses, `{"paused": false}` resumes. A change of `cron`, `everySeconds` or `timezone` counts from now; sessions that are open go on.',
    response: scheduleSchema,
    errors: { 404: UNKNOWN, 409: 'Another schedule has the name.' },
  })
  update(
    @Param({ schema: identifierParamsSchema }) { id }: IdentifierParams,
    @Body({ schema: scheduleUpdateSchema }) body: ScheduleUpdate,
    @CurrentActor() actor: Actor,
  ): Promise<Schedule> {
    return this.schedules.update(id, body, actor);
  }

  @Delete(':id')
  @RequireRole('operator')
  @Endpoint({
    summary: 'Delete a schedule',
    description:
      'Its history of runs goes with it. Sessions that it started stay, and go on if they are open.',
    errors: { 404: UNKNOWN },
  })
  delete(
    @Param({ schema: identifierParamsSchema }) { id }: IdentifierParams,
    @CurrentActor() actor: Actor,
  ): Promise<void> {
    return this.schedules.delete(id, actor);
  }

  @Post(':id/trigger')
  @RequireRole('operator')
  @Endpoint({
    summary: 'Run a schedule now',
    description:
      'Also while it is paused; due times stay as they are. `overlap` holds for this run too. The answer is the run: look at its `outcome`, since a run that was skipped or failed is recorded as well.',
    response: scheduleRunSchema,
    status: 201,
    errors: { 404: UNKNOWN },
  })
  trigger(
    @Param({ schema: identifierParamsSchema }) { id }: IdentifierParams,
    @CurrentActor() actor: TokenActor,
  ): Promise<ScheduleRun> {
    return this.runs.trigger(id, actor);
  }

  @Get(':id/runs')
  @RequireRole('viewer')
  @ListEndpoint({
    summary: 'List the runs of a schedule',
    description: 'The latest first, each with its session and how that stands. The latest 1,000 are kept.',
    item: scheduleRunSchema,
    list: scheduleRunListSchema,
    errors: { 404: UNKNOWN },
  })
  listRuns(
    @Param({ schema: identifierParamsSchema }) { id }: IdentifierParams,
    @Query({ schema: scheduleRunListQuerySchema }) query: ScheduleRunListQuery,
  ): Promise<KeysetList<ScheduleRun>> {
    return this.runs.list(id, query);
  }
}
