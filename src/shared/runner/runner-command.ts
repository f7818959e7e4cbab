/**
 * Returns the lines that start a runner in a shell. The labels are an example.
 * @param url of the server
 */
export const runnerCommand = (url: string, token: string): string =>
  `export OMOI_RUNNER_TOKEN=${token}\nomoi runner --url ${url} --labels linux`;
