"""Read, write and move files on FTP, FTPS and SFTP servers."""
