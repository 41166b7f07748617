// Notifications of rtnetlink from all namespaces that this one has a link to, over one socket: listing the links
// of each sandbox would cost ten times as much.

import type { LinkEvent, LinkEvents } from "../link_events.ts";
import { bytesToAddress, decodeLinks } from "./replies.ts";
import type { Libc } from "./libc.ts";
import { AF, IFA, IFLA, RT_TABLE_MAIN, RTA, RTM, RTNLGRP } from "./constants.ts";
import { decodeAttributes, decodeText, type Message } from "./encoding.ts";
import { subscribe } from "./subscription.ts";

/** Subscribes. Faults: Refusal. */
export function openEvents(libc: Libc): LinkEvents {
  const { take, close } = subscribe(libc, {
    groups: [RTNLGRP.link, RTNLGRP.address, RTNLGRP.route],
    allNamespaces: true,
  });
  return {
    take: () => {
      const { messages, isLost } = take();
      return [...decodeEvents(messages), ...isLost ? [{ kind: "lost" } as const] : []];
    },
    close,
  };
}

/** Returns the events that notifications stand for. Pure. */
export function decodeEvents(messages: readonly Message[]): LinkEvent[] {
  return messages.flatMap((message): LinkEvent[] => {
    const { type, body } = message;
    if (type === RTM.newLink) {
      return decodeLinks([message]).map(({ name, mac, mtu, isUp }) => {
        return { kind: "link", name, mac, mtu, isUp };
      });
    }
    if (type === RTM.deleteLink) {
      const name = decodeText(decodeAttributes(body, 16).get(IFLA.name) ?? new Uint8Array());
      return [{ kind: "gone", name }];
    }
    if (type === RTM.deleteAddress && body[0] === AF.inet) {
      const found = decodeAttributes(body, 8);
      const address = bytesToAddress(found.get(IFA.local) ?? found.get(IFA.address));
      return [{ kind: "address", address }];
    }
    if (type === RTM.deleteRoute) return routeEvents(body);
    return [];
  });
}

function routeEvents(body: Uint8Array): LinkEvent[] {
  const gateway = decodeAttributes(body, 12).get(RTA.gateway);
  const isDefault = body[0] === AF.inet && body[1] === 0 && body[4] === RT_TABLE_MAIN;
  return isDefault && gateway?.length === 4
    ? [{ kind: "route", gateway: bytesToAddress(gateway) }]
    : [];
}
