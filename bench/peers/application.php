<?php
// The plain handler of ../handlers.mjs for php-cgi.

function head(string $type, int $length): void
{
    header("Content-Type: $type");
    header("Content-Length: $length");
}

$path = $_SERVER['REQUEST_URI'];
if ($path === '/small') {
    head('text/plain', 12);
    echo "hello world\n";
} elseif ($path === '/download') {
    head('application/octet-stream', 1048576);
    echo str_repeat('express-fastcgi ', 65536);
} elseif ($path === '/upload') {
    $length = 0;
    $input = fopen('php://input', 'r');
    while (($piece = fread($input, 65536)) !== false && $piece !== '') {
        $length += strlen($piece);
    }
    $answer = "$length\n";
    head('text/plain', strlen($answer));
    echo $answer;
} elseif (str_starts_with($path, '/stream/')) {
    $length = (int) substr($path, 8);
    $chunk = str_repeat('express-fastcgi ', 4096);
    head('application/octet-stream', $length);
    for ($left = $length; $left > 0; $left -= strlen($chunk)) {
        echo $chunk;
        flush();
    }
} else {
    http_response_code(404);
}
