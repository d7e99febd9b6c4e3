import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { ChangeFeed } from '../change-feed/change-feed.js';
import { DesiredSessionsDistributor } from './desired-sessions-distributor.js';
import { StreamOwnership } from './stream-ownership.js';

/** Acts on what any replica has changed. */
@Injectable()
export class LinkHints implements OnApplicationBootstrap {
  constructor(
    private readonly changes: ChangeFeed,
    private readonly distributor: DesiredSessionsDistributor,
    private readonly ownership: StreamOwnership,
  ) {}

  onApplicationBootstrap(): void {
    this.changes.subscribe({
      changed: ({ kind, id }) => {
        if (kind === 'session') void this.distributor.sessionChanged(id);
        else if (kind === 'agent') void this.ownership.review([id]);
      },
      resync: () => void this.ownership.reviewAll(),
    });
  }
}
