// Keeps what a command writes to the machine aside.

/**
 * Shell text for a mount namespace of its own: from then on, all that is written outside of /run and /tmp stays in memory.
 * /run must be a file system in memory, as it is in the lab.
 */
export const KEEP_ASIDE = `for place in etc opt usr var; do
  mkdir -p "/run/aside.$$/$place/upper" "/run/aside.$$/$place/work"
  mount -t overlay overlay -o "lowerdir=/$place,upperdir=/run/aside.$$/$place/upper,workdir=/run/aside.$$/$place/work" "/$place"
done
`;
