#include "core/mail.h"

#include <stdlib.h>
#include <string.h>

/* Not by calloc, which passes by what the thread has freed lately. */
struct mail *mail_make(void)
{
    struct mail *mail = malloc(sizeof *mail);

    if (mail != NULL)
        memset(mail, 0, sizeof *mail);
    return mail;
}

void mail_free(struct mail *mail)
{
    if (mail != NULL && !mail->borrowed && mail->dock != NULL)
        dock_give(mail->dock);
    else if (mail != NULL && !mail->borrowed)
        free(mail->data);
    free(mail);
}

void mail_head_put(struct frame_writer *writer, const struct mail *mail)
{
    frame_put_u8(writer, (uint8_t)mail->kind);
    frame_put_u32(writer, mail->name.slot);
    frame_put_u32(writer, mail->name.incarnation);
    frame_put_u64(writer, mail->name.sequence);
    frame_put_u64(writer, mail->first);
    frame_put_u64(writer, mail->leader);
    frame_put_u32(writer, mail->party);
    frame_put_u32(writer, mail->op);
    frame_put_u64(writer, mail->object);
    frame_put_u64(writer, mail->wait_ns);
    frame_put_u32(writer, (uint32_t)mail->result);
    for (int i = 0; i < SERVICE_WORDS; i++)
        frame_put_u64(writer, mail->words[i]);
    frame_put_u64(writer, mail->size);
    frame_put_u64(writer, mail->sentence_size);
}

void mail_head_get(struct frame_reader *reader, struct mail *mail)
{
    mail->kind = (enum mail_kind)frame_get_u8(reader);
    mail->name.slot = frame_get_u32(reader);
    mail->name.incarnation = frame_get_u32(reader);
    mail->name.sequence = frame_get_u64(reader);
    mail->first = frame_get_u64(reader);
    mail->leader = frame_get_u64(reader);
    mail->party = frame_get_u32(reader);
    mail->op = frame_get_u32(reader);
    mail->object = frame_get_u64(reader);
    mail->wait_ns = frame_get_u64(reader);
    mail->result = (int)frame_get_u32(reader);
    for (int i = 0; i < SERVICE_WORDS; i++)
        mail->words[i] = frame_get_u64(reader);
    mail->size = frame_get_u64(reader);
    mail->sentence_size = frame_get_u64(reader);
}

/* The data's memory has a byte more: a sentence from afar may lack its zero. */
bool mail_data_make(struct mail *mail)
{
    uint64_t bytes = mail->size + mail->sentence_size;

    if (bytes < mail->size || bytes == UINT64_MAX)
        return false;
    mail->data = malloc(bytes + 1);
    if (mail->data == NULL)
        return false;
    mail->data[bytes] = '\0';
    return true;
}
