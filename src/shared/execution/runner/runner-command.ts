/**
 * Returns the command that starts a runner. The label is an example.
 * @param url of the server
 */
export const runnerCommand = (url: string, token: string): string =>
  `OMOI_RUNNER_TOKEN=${token} omoi runner --url ${url} --labels linux`;
