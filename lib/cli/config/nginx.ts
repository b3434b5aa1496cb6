// A site for nginx: what is between `http {` and `}`, as Debian's conf.d has it.

import { type Configuration } from './configuration'
import { addressText, type Deployment, hostAndPort } from './deployment'

export const nginx: Configuration = {
  server: 'nginx',
  summary: 'a site for nginx (fastcgi_pass)',
  files: (deployment) => [{ path: `/etc/nginx/conf.d/${deployment.name}.conf`, text: site(deployment) }],
}

function site({ listen, name, port, root, mount, node, app }: Deployment): string {
  const address = listen.kind === 'unix' ? `unix:${listen.path}` : hostAndPort(listen)
  return `# Start the application with
#   FASTCGI_LISTEN=${addressText(listen)} ${node} --import express-fastcgi/register ${app}

upstream ${name} {
    server ${address};
    keepalive 32;
}

server {
    listen ${port};
    server_name ${name};
    root ${root};

    location ${mount}/ {
        fastcgi_param HTTP_HOST $http_host;
        include fastcgi_params;
        fastcgi_pass ${name};
        fastcgi_keep_conn on;
        fastcgi_buffer_size 16k;
        fastcgi_buffers 8 16k;
    }
}
`
}
