<?php
// Extracts with PHP's PharData, and speaks the driver protocol around it.

$say = fopen('php://stdout', 'w');
ob_start(fn ($text) => ''); // libraries print
$warnings = [];
set_error_handler(function ($level, $text) use (&$warnings) {
    $warnings[] = $text;
    return true;
});
fwrite($say, "{\"tarbiter\":1}\n");

while (($line = fgets(STDIN)) !== false) {
    $order = json_decode($line, true);
    $answer = ['id' => $order['id'], 'status' => 'ok'];
    $warnings = [];
    umask($order['umask']);
    // It remembers archives by their path: each gets a path of its own.
    $copy = sys_get_temp_dir() . "/{$order['id']}.tar";
    try {
        if (!copy($order['archive'], $copy)) {
            throw new RuntimeException($warnings[0] ?? 'no copy');
        }
        $archive = new PharData($copy);
        if ($order['list']) {
            $prefix = strlen("phar://$copy/");
            $answer['names'] = [];
            foreach (new RecursiveIteratorIterator($archive, RecursiveIteratorIterator::SELF_FIRST) as $path => $_) {
                $answer['names'][] = bin2hex(substr($path, $prefix));
            }
        }
        $archive->extractTo($order['dest'], null, true);
    } catch (Throwable $error) {
        $promised = $error instanceof RuntimeException; // PharException, UnexpectedValueException and kin
        $answer['status'] = $promised || $error instanceof PharException ? 'refused' : 'crashed';
        $answer['class'] = get_class($error);
        $answer['error'] = $error->getMessage();
    }
    unset($archive);
    @unlink($copy);
    $answer['warnings'] = array_slice($warnings, 0, 20);
    fwrite($say, json_encode($answer, JSON_INVALID_UTF8_SUBSTITUTE) . "\n");
}
